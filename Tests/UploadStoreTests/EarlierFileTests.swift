import Glibc
import Synchronization
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// A new upload in the place of a finished one that turns out to be the same file leaves one file.

@Suite struct EarlierFileTests {
    let site: Site
    let store: LocalStore
    let id: UploadID
    let first = content(50)
    let second = content(50, seed: 9)
    let chunks = Chunk.all(of: 50, size: 10)

    init() throws {
        site = try Site()
        // The files' times are the kernel's, and the store's clock stands still: nothing is modified later than that.
        site.time.store(UInt64(time(nil) + 3600), ordering: .relaxed)
        store = try site.store()
        id = try uploadID()
    }

    @Test("A chunk that was damaged on its way, and then sent again, leaves one file", arguments: 0..<4, [1, 2])
    func damaged(index: Int, boot: UInt64) throws {
        try store.sendAll(first, as: id, chunkSize: 10)
        for chunk in chunks[..<index] { #expect(try store.send(chunk, of: first, as: id) == .duplicate) }
        #expect(try store.send(chunks[index], of: second, as: id) == .stored)
        let next = try site.store(boot: boot)
        for chunk in chunks[index..<4] { #expect(try next.send(chunk, of: first, as: id) == .stored) }
        #expect(try next.send(chunks[4], of: first, as: id) == .completed(path: "name.bin"))
        #expect(site.files == ["name.bin"])
        #expect(try site.folder.read("name.bin") == first)
        // The new upload is the record of the file: duplicates and tests find it.
        #expect(site.state == [UploadKey(id).journal])
        #expect(try next.sendAll(first, as: id, chunkSize: 10) == .duplicate)
        #expect(try next.isHeld(chunks[2], of: id))
    }

    @Test("The only chunk, broken off behind a difference and then sent again, leaves one file")
    func brokenOff() throws {
        try store.sendAll(first, as: id, chunkSize: 50)
        let chunk = Chunk.all(of: 50, size: 50)[0]
        do {
            let writer = try store.receive(upload: id, size: 50, layout: chunk.layout())
            try writer.write(second[..<30])
        }
        #expect(try store.sendAll(first, as: id, chunkSize: 50) == .completed(path: "name.bin"))
        #expect(site.files == ["name.bin"])
    }

    @Test("Two files that are sent in turns under one identity stay two files", arguments: [10, 50])
    func inTurns(chunkSize: Int) throws {
        for _ in 0..<3 {
            for bytes in [first, second] { try store.sendAll(bytes, as: id, chunkSize: chunkSize) }
        }
        #expect(site.files == ["name (1).bin", "name.bin"])
        #expect(try site.folder.read("name.bin") == first)
        #expect(try site.folder.read("name (1).bin") == second)
    }

    @Test("A finished file that is gone, or was changed since, is no such file", arguments: [true, false])
    func gone(isRemoved: Bool) throws {
        try store.sendAll(first, as: id, chunkSize: 10)
        try store.send(chunks[0], of: second, as: id)
        if isRemoved {
            try site.folder.remove("name.bin")
        } else {
            // In a place that no chunk was compared with.
            try site.folder.write(Array(first[..<40]) + Array(second[40...]), to: "name.bin")
            let later = timeval(tv_sec: time(nil) + 7200, tv_usec: 0)
            #expect(utimes(site.folder.path + "/name.bin", [later, later]) == 0)
        }
        let path = isRemoved ? "name.bin" : "name (1).bin"
        #expect(try store.sendAll(first, as: id, chunkSize: 10) == .completed(path: path))
        #expect(try site.folder.read(path) == first)
    }

    @Test("Other bytes are another file, whichever chunk differs in the end", arguments: 0..<5)
    func other(index: Int) throws {
        try store.sendAll(first, as: id, chunkSize: 10)
        try store.send(chunks[0], of: second, as: id)
        var bytes = first
        bytes[index * 10 + 3] ^= 1
        #expect(try store.sendAll(bytes, as: id, chunkSize: 10) == .completed(path: "name (1).bin"))
        #expect(try site.folder.read("name (1).bin") == bytes)
        #expect(try site.folder.read("name.bin") == first)
    }

    @Test("No second event of the file is owed")
    func events() throws {
        let store = try site.store(StoreSettings(recipients: Recipients(rawValue: 1)))
        try store.sendAll(first, as: id, chunkSize: 10)
        try store.send(chunks[0], of: second, as: id)
        try store.sendAll(first, as: id, chunkSize: 10)
        #expect(try Outbox(store).events().events.count == 1)
    }
}
