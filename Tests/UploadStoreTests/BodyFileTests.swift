import Glibc
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// Chunks that the web server has put into files.

@Suite struct BodyFileTests {
    let site: Site
    let bodies: TemporaryFolder
    let id: UploadID
    let bytes = content(30)

    init() throws {
        site = try Site()
        bodies = try TemporaryFolder()
        id = try uploadID()
    }

    private func body(_ bytes: [UInt8], _ name: String = "0000000001") throws -> BodyFile {
        try bodies.write(bytes, to: name)
        return try BodyFolder(bodies.path).open(bodies.path + "/" + name)
    }

    /// Sends a chunk with those bytes, through a buffer that doesn't hold them all.
    private func send(_ chunk: Chunk, _ bytes: [UInt8], to store: LocalStore) throws -> Receipt.Effect {
        let writer = try store.receive(upload: id, size: UInt64(chunk.total), layout: chunk.layout(settled: false))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 7, alignment: 1)
        defer { buffer.deallocate() }
        try writer.write(try body(bytes), through: buffer)
        return try writer.commit().effect
    }

    @Test("Chunks in files make the file, and are what they were after a power cut")
    func whole() throws {
        let chunks = Chunk.all(of: 30, size: 10)
        #expect(try send(chunks[1], Array(bytes[10..<20]), to: site.store()) == .stored)
        // Another boot: what is held is compared with its checksum.
        let store = try site.store(boot: 2)
        #expect(try store.held(id) == [ByteRange(from: 10, length: 10)].compactMap(\.self))
        #expect(try send(chunks[0], Array(bytes[..<10]), to: store) == .stored)
        #expect(try send(chunks[2], Array(bytes[20...]), to: store) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
        #expect(bodies.names() == ["0000000001"])
    }

    @Test("What is held is compared with the file, and replaced where it differs")
    func again() throws {
        let chunk = Chunk.all(of: 30, size: 10)[0]
        let store = try site.store()
        #expect(try send(chunk, content(10, seed: 9), to: store) == .stored)
        #expect(try send(chunk, content(10, seed: 9), to: store) == .duplicate)
        #expect(try send(chunk, Array(bytes[..<10]), to: store) == .stored)
        #expect(try send(Chunk(number: 1, range: 0..<30, chunkSize: 30, total: 30), bytes, to: store) != .stored)
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("A file that is longer or shorter than the chunk is told apart from one that fits", arguments: [9, 11, 0])
    func wrongLength(count: Int) throws {
        let chunk = Chunk.all(of: 30, size: 10)[0]
        #expect(throws: StoreError.self) { try send(chunk, content(count), to: try site.store()) }
        #expect(try site.store().held(id) == [])
    }

    @Test("Nothing but what nginx makes is opened")
    func names() throws {
        try bodies.makeFolder("1")
        try bodies.makeFolder("a")
        for name in ["1/0000000001", "a/1", "secret"] { try bodies.write(bytes, to: name) }
        try bodies.link("2", to: bodies.path + "/secret")
        try bodies.link("3", to: bodies.path + "/a")
        mkfifo(bodies.path + "/4", 0o600)
        let folder = BodyFolder(bodies.path)
        #expect(try folder.open(bodies.path + "/1/0000000001").length == 30)
        #expect(try BodyFolder(bodies.path + "/").open(bodies.path + "/1/0000000001").length == 30)
        for name in ["", "/", "/secret", "/a/1", "/2", "/3/1", "/4", "/1", "/1/", "/1/../1/0000000001", "/5", "x/1"] {
            #expect(throws: StoreError.self, "\(name)") { try folder.open(bodies.path + name) }
        }
        for path in ["/etc/passwd", "1/0000000001", "/1"] {
            #expect(throws: StoreError.self, "\(path)") { try folder.open(path) }
        }
        #expect(throws: StoreError.self) { try BodyFolder("/no/such/folder").open("/no/such/folder/1") }
    }
}
