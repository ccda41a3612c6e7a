import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// Unfinished uploads of the Flask backend (PROTOCOL.md, Promises).

@Suite struct FlaskPartsTests {
    let site: Site
    let id: UploadID
    let bytes = content(45)

    init() throws {
        site = try Site()
        id = try uploadID("45-namebin", "name.bin")
        try site.folder.makeFolder("45-namebin")
    }

    private func leave(_ number: Int, _ bytes: some Collection<UInt8>) throws {
        let digits = String(number)
        let name = "45-namebin/name.bin_part_" + String(repeating: "0", count: max(0, 3 - digits.count)) + digits
        try site.folder.write(Array(bytes), to: name)
    }

    private func request(_ chunk: Chunk) throws -> ChunkRequest {
        ChunkRequest(
            upload: id, number: UInt64(chunk.number), place: .sized(total: 45, chunkSize: 10, try chunk.layout()))
    }

    @discardableResult
    private func send(_ chunk: Chunk, _ store: LocalStore) throws -> Receipt.Effect {
        let writer = try store.receive(request(chunk))
        try writer.write(bytes[chunk.range])
        return try writer.commit().effect
    }

    private let chunks = Chunk.all(of: 45, size: 10, .lastTakesRest)

    @Test("The parts are held from the first test on, and the client sends the rest", arguments: [true, false])
    func takenOver(testsFirst: Bool) throws {
        for chunk in [chunks[1], chunks[3]] { try leave(chunk.number, bytes[chunk.range]) }
        let store = try site.store()
        if testsFirst {
            #expect(try chunks.map { try store.status(of: request($0))?.receipt != nil } == [false, true, false, true])
        }
        #expect(try send(chunks[0], store) == .stored)
        #expect(site.files == [], "Flask's folder has gone")
        #expect(try store.status(of: request(chunks[2]))?.held.ranges == [ByteRange(0..<20), ByteRange(30..<45)])
        // The parts that were taken over survive a power cut.
        #expect(try site.store(boot: 2).status(of: request(chunks[1]))?.receipt != nil)
        #expect(try send(chunks[2], store) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
        #expect(site.files == ["name.bin"])
    }

    @Test("An upload whose parts are all there is finished by the first test")
    func allThere() throws {
        for chunk in chunks { try leave(chunk.number, bytes[chunk.range]) }
        #expect(try site.store().status(of: request(chunks[0]))?.complete == true)
        #expect(site.files == ["name.bin"])
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("A part that Flask was writing when it stopped doesn't count, and is removed when the upload is finished")
    func halfPart() throws {
        try leave(1, bytes[..<10])
        try leave(2, bytes[10..<16])
        try leave(9, [1, 2, 3])
        let store = try site.store()
        #expect(try chunks.map { try store.status(of: request($0))?.receipt != nil } == [true, false, false, false])
        #expect(site.folder.names(in: "45-namebin") == ["name.bin_part_002", "name.bin_part_009"])
        for chunk in chunks[1...] { try send(chunk, store) }
        #expect(site.files == ["name.bin"])
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("Files that are not parts of the upload are left alone")
    func strangers() throws {
        try leave(1, bytes[..<10])
        for name in ["other.bin_part_001", "name.bin_part_1", "name.bin_part_0001", "name.bin_part_", "name.bin"] {
            try site.folder.write([9], to: "45-namebin/" + name)
        }
        let store = try site.store()
        for chunk in chunks { try send(chunk, store) }
        #expect(site.files == ["45-namebin", "name.bin"])
        #expect(
            site.folder.names(in: "45-namebin")
                == ["name.bin", "name.bin_part_", "name.bin_part_0001", "name.bin_part_1", "other.bin_part_001"])
    }

    @Test("A client that states no sizes resumes as well: the parts show the chunk size")
    func counted() throws {
        for chunk in [chunks[0], chunks[1], chunks[3]] { try leave(chunk.number, bytes[chunk.range]) }
        try leave(3, bytes[20..<27])
        let store = try site.store()
        func request(_ number: UInt64) -> ChunkRequest {
            ChunkRequest(upload: id, number: number, place: .counted(chunks: 4))
        }
        #expect(try (1...4).map { try store.status(of: request($0))?.receipt != nil } == [true, true, false, true])
        let writer = try store.receive(request(3))
        try writer.write(bytes[20..<30])
        _ = try writer.commit()
        #expect(site.files == ["name.bin"])
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("Without sizes, a single part may be cut off: it counts once another chunk has shown the chunk size")
    func singlePart() throws {
        for length in [3, 10] {
            try leave(1, bytes[..<length])
            let store = try site.store()
            func request(_ number: UInt64) -> ChunkRequest {
                ChunkRequest(upload: id, number: number, place: .counted(chunks: 4))
            }
            func send(_ chunk: Chunk) throws {
                let writer = try store.receive(request(UInt64(chunk.number)))
                try writer.write(bytes[chunk.range])
                _ = try writer.commit()
            }
            #expect(try store.status(of: request(1))?.receipt == nil)
            try send(chunks[1])
            #expect(try (store.status(of: request(1))?.receipt != nil) == (length == 10))
            for chunk in chunks { try send(chunk) }
            #expect(site.files == ["name.bin"])
            #expect(try site.folder.read("name.bin") == bytes)
            try site.folder.remove("name.bin")
            try site.folder.remove(site.journalPath(id))
            try site.folder.makeFolder("45-namebin")
        }
    }

    @Test("No symbolic link is followed, and no folder of another layout is mistaken for Flask's")
    func notFlasks() throws {
        let outside = try TemporaryFolder()
        try outside.write(Array(bytes[..<10]), to: "name.bin_part_001")
        try site.folder.link("link", to: outside.path)
        let linked = ChunkRequest(
            upload: try uploadID("link", "name.bin"), number: 1,
            place: .sized(total: 45, chunkSize: 10, try chunks[0].layout()))
        #expect(try site.store().status(of: linked) == nil)
        #expect(outside.names() == ["name.bin_part_001"])

        try leave(1, bytes[..<10])
        for layout in [Layout.tree, .identifier] {
            #expect(try site.store(StoreSettings(layout: layout)).status(of: request(chunks[0])) == nil)
        }
        #expect(site.folder.names(in: "45-namebin") == ["name.bin_part_001"])
    }
}
