import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// A process was killed in a sync, and the next one salvages the upload (Salvage.swift).

@Suite struct SalvageTests {
    private let site: Site
    private let store: LocalStore
    private let id: UploadID
    private let bytes = content(50)

    init() throws {
        site = try Site()
        store = try site.store()
        id = try uploadID()
    }

    @Test("The bytes around a chunk that was replaced are kept", arguments: [true, false])
    func aroundReplacedBytes(sentAgain: Bool) throws {
        let first = Chunk.all(of: 50, size: 20)
        try store.send(first[0], of: bytes, as: id)
        try store.send(first[1], of: bytes, as: id)
        var changed = bytes
        for index in 5..<10 { changed[index] ^= 1 }
        let part = Chunk.all(of: 50, size: 5)[1]
        if sentAgain {
            try store.send(part, of: changed, as: id)
        } else {
            // The range is removed from the journal, and then the client breaks off.
            let writer = try store.receive(upload: id, size: 50, layout: part.layout())
            try writer.write(changed[5..<8])
        }
        try store.dieInSync(of: id)

        let next = try site.store()
        let around = [try ByteRange(0..<5), try ByteRange(10..<40)]
        #expect(try next.held(id) == (sentAgain ? [try ByteRange(0..<40)] : around))
        try next.send(part, of: changed, as: id)
        #expect(try next.send(first[2], of: bytes, as: id) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == changed)
    }

    @Test("The copy takes as much space as is held, and leaves the minimum of free space")
    func space() throws {
        let mebibyte = 1 << 20
        let bytes = content(4 * mebibyte)
        let chunks = Chunk.all(of: bytes.count, size: mebibyte)
        try store.send(chunks[0], of: bytes, as: id)
        try store.dieInSync(of: id)

        let full = try site.store(StoreSettings(minimumFree: 1 << 62))
        #expect { try full.held(id) } throws: { error in
            if case StoreError.full = error { true } else { false }
        }
        let next = try site.store()
        #expect(try next.held(id) == [try ByteRange(0..<mebibyte)])
        #expect(try site.folder.read(site.dataPath(id)).count == mebibyte)
        #expect(try next.sendAll(bytes, as: id, chunkSize: mebibyte) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }
}
