import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// The record that a finished upload leaves: late duplicates are recognized, and later the same file can be sent again.

@Suite struct LateDuplicateTests {
    let site: Site
    let store: LocalStore
    let id: UploadID
    let bytes = content(30)

    init() throws {
        site = try Site()
        store = try site.store()
        id = try uploadID()
    }

    private var last: Chunk { Chunk.all(of: 30, size: 10)[2] }

    @Test("While the finished file is in its place, its chunks are duplicates")
    func stands() throws {
        try store.sendAll(bytes, as: id)
        site.wait(seconds: 1_000_000)
        #expect(try store.send(last, of: bytes, as: id) == .duplicate)
        #expect(site.files == ["name.bin"])
    }

    @Test("A chunk that was being compared when its file was completed and moved away is a duplicate")
    func inFlight() throws {
        let chunks = Chunk.all(of: 30, size: 10)
        for chunk in chunks[..<2] { try store.send(chunk, of: bytes, as: id) }
        let slow = try store.receive(upload: id, size: 30, layout: chunks[0].layout())
        try slow.write(bytes[0..<5])
        #expect(try store.send(chunks[2], of: bytes, as: id) == .completed(path: "name.bin"))
        try site.folder.move("name.bin", to: "elsewhere")
        try slow.write(bytes[5..<10])
        #expect(try slow.commit().effect == .duplicate)
        #expect(site.files == ["elsewhere"])
    }

    @Test("Another file in its place is not mistaken for it")
    func replaced() throws {
        try store.sendAll(bytes, as: id)
        // Moved first, so that the new file cannot get the old one's inode.
        try site.folder.move("name.bin", to: "elsewhere")
        try site.folder.write([1, 2, 3], to: "name.bin")
        #expect(try store.status(of: id) == nil)
        #expect(try store.sendAll(bytes, as: id) == .completed(path: "name (1).bin"))
        #expect(try site.folder.read("name.bin") == [1, 2, 3])
    }

    @Test("A changed file with another size is uploaded again")
    func otherSize() throws {
        try store.sendAll(bytes, as: id)
        let changed = content(40, seed: 2)
        #expect(try store.sendAll(changed, as: id) == .completed(path: "name (1).bin"))
        #expect(try site.folder.read("name.bin") == bytes)
        #expect(try site.folder.read("name (1).bin") == changed)
        #expect(site.state == [UploadKey(id).journal])
    }

    @Test("Another process sees that an upload was begun again")
    func otherProcess() throws {
        let other = try site.store()
        try store.sendAll(bytes, as: id)
        #expect(try other.status(of: id)?.complete == true)
        try store.send(Chunk.all(of: 40, size: 10)[0], of: content(40), as: id)
        #expect(try other.status(of: id)?.size == 40)
        #expect(try other.held(id) == [ByteRange(0..<10)])
    }
}
