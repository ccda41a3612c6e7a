import Glibc
import Synchronization
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// The files that a sweep removes, and those that it leaves.

@Suite struct SweepTests {
    let site: Site
    let id: UploadID
    let bytes = content(30)
    let chunks = Chunk.all(of: 30, size: 10)
    let settings = StoreSettings(expire: 1000)

    init() throws {
        site = try Site()
        id = try uploadID()
        // The files' times come from the kernel.
        site.time.store(UInt64(time(nil)), ordering: .relaxed)
    }

    @Test("An upload expires when its time is over, not before, and can be begun again")
    func expires() throws {
        let store = try site.store(settings)
        try store.send(chunks[0], of: bytes, as: id)
        site.wait(seconds: 900)
        #expect(store.sweep().removed.isEmpty)
        #expect(site.state.count == 2)
        site.wait(seconds: 200)
        let report = store.sweep()
        #expect(report.removed.map(\.id) == [id])
        #expect(report.removed.first?.held == 10)
        #expect(report.failures.isEmpty)
        #expect(site.state == [])
        #expect(try store.status(of: id) == nil)
        #expect(try store.sendAll(bytes, as: id) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("A test that finds a chunk held postpones the upload's expiry")
    func keptAlive() throws {
        let store = try site.store(settings)
        try store.send(chunks[0], of: bytes, as: id)
        site.wait(seconds: 900)
        #expect(try store.isHeld(chunks[0], of: id))
        site.wait(seconds: 900)
        #expect(store.sweep().removed.isEmpty)
        site.wait(seconds: 200)
        #expect(store.sweep().removed.count == 1)
    }

    @Test("An upload that a client is sending to is not swept, by any process")
    func held() throws {
        let store = try site.store(settings)
        try store.send(chunks[0], of: bytes, as: id)
        let writer = try store.receive(upload: id, size: 30, layout: chunks[1].layout())
        try writer.write(bytes[10..<15])
        site.wait(seconds: 5000)
        #expect(store.sweep().removed.isEmpty)
        #expect(try site.store(settings).sweep().removed.isEmpty)
        try writer.write(bytes[15..<20])
        #expect(try writer.commit().effect == .stored)
        #expect(try store.send(chunks[2], of: bytes, as: id) == .completed(path: "name.bin"))
    }

    @Test("A client whose chunk is compared with an upload that is swept has to retry")
    func sweptUnderComparison() throws {
        let store = try site.store(settings)
        try store.send(chunks[0], of: bytes, as: id)
        let writer = try store.receive(upload: id, size: 30, layout: chunks[0].layout())
        try writer.write(bytes[0..<5])
        site.wait(seconds: 5000)
        #expect(store.sweep().removed.count == 1)
        #expect(throws: StoreError.busy) {
            try writer.write(bytes[5..<10])
            return try writer.commit()
        }
        #expect(try store.sendAll(bytes, as: id) == .completed(path: "name.bin"))
    }

    @Test("The record of a finished file expires; the file stays")
    func finished() throws {
        let store = try site.store(settings)
        try store.sendAll(bytes, as: id)
        site.wait(seconds: 1100)
        let report = store.sweep()
        #expect(report.removed.map(\.path) == ["name.bin"])
        #expect(site.state == [])
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("Without an expiry time, nothing expires")
    func never() throws {
        let store = try site.store(StoreSettings(expire: 0))
        try store.send(chunks[0], of: bytes, as: id)
        site.wait(seconds: 1 << 32)
        #expect(store.sweep().removed.isEmpty)
        #expect(try store.isHeld(chunks[0], of: id))
    }

    @Test("Incomplete files of a process that died are removed after an hour", arguments: [0, 1000])
    func halfMade(expire: UInt64) throws {
        let store = try site.store(StoreSettings(expire: expire))
        try site.folder.write([], to: ".resumabled/abc.journal")
        try site.folder.write([1], to: ".resumabled/abc-0123456789abcdef.data")
        try site.folder.write([1], to: ".resumabled/spool.5")
        site.wait(seconds: 3500)
        #expect(store.sweep().failures.isEmpty)
        #expect(site.state.count == 3)
        site.wait(seconds: 200)
        #expect(store.sweep().failures.isEmpty)
        #expect(site.state == [])
    }

    @Test("A sweep goes on after a journal that it cannot read")
    func unreadable() throws {
        let store = try site.store(settings)
        try store.send(chunks[0], of: bytes, as: id)
        try site.folder.makeFolder(".resumabled/broken.journal")
        site.wait(seconds: 5000)
        let report = store.sweep()
        #expect(report.removed.count == 1)
        #expect(report.failures.count == 1)
    }

    // MARK: Another size

    @Test("A chunk with another size restarts an upload after a quiet minute; a test does not")
    func restart() throws {
        let store = try site.store(StoreSettings(onSizeChange: .restart))
        try store.send(chunks[0], of: bytes, as: id)
        let changed = content(35, seed: 2)
        let others = Chunk.all(of: 35, size: 10)
        // It may be a late chunk of the old file or an early one of the new: the store cannot know.
        #expect(throws: StoreError.sizeDiffers(known: 30)) { try store.send(others[1], of: changed, as: id) }
        #expect(throws: StoreError.sizeDiffers(known: 30)) { try store.isHeld(others[1], of: id) }
        site.wait(seconds: 70)
        #expect(try !store.isHeld(others[0], of: id))
        #expect(try store.isHeld(chunks[0], of: id), "a test changes nothing")
        #expect(try store.send(others[1], of: changed, as: id) == .stored)
        site.time.store(UInt64(time(nil)), ordering: .relaxed)
        #expect(throws: StoreError.sizeDiffers(known: 35)) { try store.send(chunks[1], of: bytes, as: id) }
        for chunk in others { try store.send(chunk, of: changed, as: id) }
        #expect(try site.folder.read("name.bin") == changed)
        #expect(site.state.count == 1)
    }

    @Test("While a client is sending, another size never restarts the upload")
    func restartInFlight() throws {
        let store = try site.store(StoreSettings(onSizeChange: .restart))
        let writer = try store.receive(upload: id, size: 30, layout: chunks[0].layout())
        try writer.write(bytes[0..<5])
        site.wait(seconds: 1000)
        #expect(throws: StoreError.sizeDiffers(known: 30)) {
            try store.send(Chunk.all(of: 35, size: 10)[1], of: content(35), as: id)
        }
        try writer.write(bytes[5..<10])
        #expect(try writer.commit().effect == .stored)
    }

    @Test("Without the option, another size is always refused")
    func noRestart() throws {
        let store = try site.store()
        try store.send(chunks[0], of: bytes, as: id)
        site.wait(seconds: 100_000)
        #expect(throws: StoreError.sizeDiffers(known: 30)) {
            try store.send(Chunk.all(of: 35, size: 10)[1], of: content(35), as: id)
        }
        #expect(try store.isHeld(chunks[0], of: id))
    }

    // MARK: Space

    @Test("An upload that would go below the minimum of free space is not begun; one larger than the disk never fits")
    func floor() throws {
        let store = try site.store(StoreSettings(minimumFree: 1 << 60))
        #expect {
            try store.send(chunks[0], of: bytes, as: id)
        } throws: { error in
            if case .full? = error as? StoreError { true } else { false }
        }
        #expect(site.state == [])
        let size: UInt64 = 1 << 60
        let request = ChunkRequest(
            upload: id, number: 1, place: .sized(total: size, chunkSize: 10, ChunkLayout(offset: 0, length: 10)))
        #expect(throws: StoreError.neverFits(size: size)) { _ = try site.store().receive(request) }
        #expect(site.state == [])
    }

    @Test("Space for the file is reserved with its first chunk")
    func reserved() throws {
        let size = 1 << 20
        let request = ChunkRequest(
            upload: id, number: 1,
            place: .sized(total: UInt64(size), chunkSize: 10, ChunkLayout(offset: 0, length: 10)))
        let writer = try site.store().receive(request)
        try writer.write(content(10))
        _ = try writer.commit()
        var status = stat()
        #expect(try lstat(site.folder.path + "/" + site.dataPath(id), &status) == 0)
        #expect(Int(status.st_blocks) * 512 >= size)
    }
}
