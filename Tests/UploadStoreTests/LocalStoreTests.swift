import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// Chunks in any order and number become the file (PROTOCOL.md, Promises).

@Suite struct LocalStoreTests {
    static let chunkSize = 1000

    /// Sizes at the edges, with both ways of cutting, from clients that do and don't state a chunk's length.
    static let files: [(size: Int, cut: Cut, settled: Bool)] =
        [
            0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize - 1, 2 * chunkSize, 10 * chunkSize + 1,
        ].flatMap { size in Cut.allCases.flatMap { cut in [true, false].map { (size, cut, $0) } } }

    @Test("Chunks in any order, each sent twice, become the file and leave only the journal", arguments: files)
    func anyOrder(size: Int, cut: Cut, settled: Bool) throws {
        for seed in 0..<3 as Range<UInt64> {
            let site = try Site()
            let store = try site.store()
            let id = try uploadID()
            let bytes = content(size, seed: seed)
            let once = Chunk.all(of: size, size: Self.chunkSize, cut)
            var generator = SplitMix64(seed: seed)
            var completed: [Receipt.Effect] = []
            for chunk in (once + once).shuffled(using: &generator) {
                let effect = try store.send(chunk, of: bytes, as: id, settled: settled, piece: 300)
                if case .completed = effect { completed.append(effect) }
                // A finished file of one chunk may be another one: it is sent instead of asked for.
                let isTold = once.count > 1 || completed.isEmpty
                #expect(try store.isHeld(chunk, of: id) == isTold)
            }
            #expect(completed == [.completed(path: "name.bin")])
            #expect(site.files == ["name.bin"])
            #expect(try site.folder.read("name.bin") == bytes)
            #expect(site.state == [UploadKey(id).journal])
            #expect(try store.status(of: id)?.complete == true)
        }
    }

    @Test("Nothing is held of an upload that was never begun, and a test creates nothing")
    func unknown() throws {
        let site = try Site()
        #expect(try site.store().status(of: uploadID()) == nil)
        #expect(site.files.isEmpty && site.state.isEmpty)
    }

    @Test("A test finds exactly the held chunks")
    func held() throws {
        let site = try Site()
        let store = try site.store()
        let id = try uploadID()
        let bytes = content(50)
        let chunks = Chunk.all(of: 50, size: 10)
        #expect(try store.send(chunks[3], of: bytes, as: id) == .stored)
        #expect(try store.send(chunks[0], of: bytes, as: id) == .stored)
        let status = try #require(try store.status(of: id))
        #expect(status.size == 50)
        #expect(!status.complete)
        #expect(try status.held.ranges == [ByteRange(0..<10), ByteRange(30..<40)])
        #expect(try chunks.map { try store.isHeld($0, of: id) } == [true, false, false, true, false])
        #expect(site.files.isEmpty, "no incomplete file is visible")
    }

    @Test("A chunk that is sent again with the same bytes changes nothing", arguments: [1, 3, 10, 100])
    func sameAgain(piece: Int) throws {
        let site = try Site()
        let store = try site.store()
        let id = try uploadID()
        let bytes = content(30)
        let chunk = Chunk.all(of: 30, size: 10)[1]
        try store.send(chunk, of: bytes, as: id)
        let before = try site.folder.read(site.journalPath(id))
        let data = try site.folder.read(site.dataPath(id))
        #expect(try store.send(chunk, of: bytes, as: id, piece: piece) == .duplicate)
        #expect(try site.folder.read(site.journalPath(id)) == before)
        #expect(try site.folder.read(site.dataPath(id)) == data)
    }

    @Test("Other bytes for a held range replace the old ones while the file is incomplete", arguments: 0..<10)
    func otherAgain(firstDifference: Int) throws {
        let site = try Site()
        let store = try site.store()
        let id = try uploadID()
        let bytes = content(30)
        var old = bytes
        for index in (10 + firstDifference)..<20 { old[index] ^= 0xff }
        let chunks = Chunk.all(of: 30, size: 10)
        try store.send(chunks[1], of: old, as: id)
        #expect(try store.send(chunks[1], of: bytes, as: id, piece: 3) == .stored)
        #expect(try store.held(id) == [ByteRange(10..<20)])
        try store.send(chunks[0], of: bytes, as: id)
        #expect(try store.send(chunks[2], of: bytes, as: id) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("While a range is being replaced it is not held, also for other processes")
    func replacing() throws {
        let site = try Site()
        let store = try site.store()
        let id = try uploadID()
        let chunk = Chunk.all(of: 30, size: 10)[1]
        try store.send(chunk, of: content(30), as: id)
        let writer = try store.receive(upload: id, size: 30, layout: chunk.layout())
        try writer.write(content(30, seed: 2)[10..<15])
        #expect(try store.held(id) == [])
        #expect(try site.store().held(id) == [])
        #expect(try site.store(boot: 2).held(id) == [])
        try writer.write(content(30, seed: 2)[15..<20])
        #expect(try writer.commit().effect == .stored)
        #expect(try store.held(id) == [ByteRange(10..<20)])
    }

    @Test("After the file is finished, its chunks are duplicates and are recorded once")
    func afterTheEnd() throws {
        let site = try Site()
        let store = try site.store()
        let id = try uploadID()
        let bytes = content(30)
        try store.sendAll(bytes, as: id, chunkSize: 10)
        let chunks = Chunk.all(of: 30, size: 10)
        for chunk in chunks { #expect(try store.send(chunk, of: bytes, as: id) == .duplicate) }
        let journal = try site.folder.read(site.journalPath(id))
        for chunk in chunks { #expect(try store.send(chunk, of: bytes, as: id) == .duplicate) }
        #expect(site.files == ["name.bin"])
        #expect(try site.folder.read("name.bin") == bytes)
        #expect(try site.folder.read(site.journalPath(id)) == journal, "a range is confirmed once")
    }

    @Test("A chunk with other bytes that is still being received when the file is finished has to be sent again")
    func overtaken() throws {
        let site = try Site()
        let store = try site.store()
        let id = try uploadID()
        let bytes = content(30)
        let chunks = Chunk.all(of: 30, size: 10)
        for chunk in chunks[..<2] { try store.send(chunk, of: bytes, as: id) }
        // So far it only compares. It finds a different byte after the file has its name.
        let slow = try store.receive(upload: id, size: 30, layout: chunks[0].layout())
        try slow.write(bytes[0..<5])
        #expect(try store.send(chunks[2], of: bytes, as: id) == .completed(path: "name.bin"))
        #expect(throws: StoreError.busy) { try slow.write([UInt8](repeating: 0, count: 5)) }
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("A chunk with a wrong length is refused and leaves nothing", arguments: [true, false])
    func wrongLengths(settled: Bool) throws {
        // The chunk at offset 10 of 25 bytes is the last one with 15 bytes, or has 10 bytes and one of 5 follows.
        let site = try Site()
        let store = try site.store()
        let id = try uploadID()
        let chunk = Chunk.all(of: 25, size: 10)[1]
        let layout = try chunk.layout(settled: settled)
        #expect(layout.lengths == (settled ? [10] : [10, 15]))
        for length in 0...20 where !layout.lengths.contains(UInt64(length)) {
            for piece in [1, 7, 100] {
                let error = #expect(throws: StoreError.self) {
                    let writer = try store.receive(upload: id, size: 25, layout: layout)
                    try writer.write(content(length), piece: piece)
                    return try writer.commit()
                }
                switch error {
                case .tooShort(let received, let lengths):
                    #expect(length < 10 && received == length && lengths == layout.lengths)
                case .wrongLength(let received, let lengths):
                    // Bytes after the end may be refused before all of them have arrived.
                    #expect(length > 10 && received > 10 && received <= length && lengths == layout.lengths)
                default: Issue.record("\(length) bytes gave \(String(describing: error))")
                }
                #expect(try store.held(id) == [])
            }
        }
        for length in layout.lengths {
            let writer = try store.receive(upload: id, size: 25, layout: layout)
            try writer.write(content(Int(length)))
            #expect(try writer.commit().effect == .stored)
            #expect(try store.held(id) == [ByteRange(10..<10 + Int(length))])
        }
    }

    @Test("A writer that is dropped leaves nothing held and unlocks its range")
    func dropped() throws {
        let site = try Site()
        let store = try site.store()
        let id = try uploadID()
        let bytes = content(20)
        let chunk = Chunk.all(of: 20, size: 10)[0]
        do {
            let writer = try store.receive(upload: id, size: 20, layout: chunk.layout())
            try writer.write(bytes[0..<10])
        }
        #expect(try store.held(id) == [])
        #expect(try store.send(chunk, of: bytes, as: id) == .stored)
    }

    @Test("An upload under way keeps its size")
    func sizeContradiction() throws {
        let site = try Site()
        let store = try site.store()
        let id = try uploadID()
        let bytes = content(40)
        try store.send(Chunk.all(of: 40, size: 10)[0], of: bytes, as: id)
        #expect(throws: StoreError.sizeDiffers(known: 40)) {
            try store.send(Chunk.all(of: 41, size: 10)[0], of: content(41), as: id)
        }
        #expect(try store.held(id) == [ByteRange(0..<10)])
    }

    @Test("A client that returns with another chunk size resumes its upload", arguments: [1, 3, 7, 64, 100])
    func otherChunkSize(size: Int) throws {
        let site = try Site()
        let store = try site.store()
        let id = try uploadID()
        let bytes = content(100)
        let first = Chunk.all(of: 100, size: 10)
        for index in [0, 1, 4, 5, 8] { try store.send(first[index], of: bytes, as: id) }
        let held: [Range<Int>] = [0..<20, 40..<60, 80..<90]
        var last = Receipt.Effect.stored
        for chunk in Chunk.all(of: 100, size: size) {
            let known = held.contains { $0.clamped(to: chunk.range) == chunk.range }
            #expect(try store.isHeld(chunk, of: id) == known)
            if !known { last = try store.send(chunk, of: bytes, as: id, piece: 4) }
        }
        #expect(last == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test(
        "A chunk whose range is partly held is accepted, whether or not the held bytes are equal",
        arguments: [true, false])
    func heldInPart(same: Bool) throws {
        let site = try Site()
        let store = try site.store()
        let id = try uploadID()
        let bytes = content(40)
        try store.send(Chunk.all(of: 40, size: 5)[2], of: same ? bytes : content(40, seed: 2), as: id)
        #expect(try store.send(Chunk.all(of: 40, size: 20)[0], of: bytes, as: id, piece: 3) == .stored)
        #expect(try store.held(id) == [ByteRange(0..<20)])
        #expect(try store.send(Chunk.all(of: 40, size: 20)[1], of: bytes, as: id) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("A held range stays held if a larger chunk over it breaks off")
    func largerCutShort() throws {
        let site = try Site()
        let store = try site.store()
        let id = try uploadID()
        let bytes = content(40)
        try store.send(Chunk.all(of: 40, size: 5)[1], of: bytes, as: id)
        for piece in [1, 3, 15] {
            let writer = try store.receive(upload: id, size: 40, layout: Chunk.all(of: 40, size: 20)[0].layout())
            try writer.write(bytes[0..<15], piece: piece)
            #expect(throws: StoreError.tooShort(received: 15, lengths: [20])) { try writer.commit() }
            #expect(try store.held(id) == [ByteRange(5..<10)], "pieces of \(piece)")
        }
    }

    @Test("Uploads with similar identifiers and names are kept apart")
    func identity() throws {
        let site = try Site()
        let store = try site.store()
        let one = try uploadID("ab", "c")
        let other = try uploadID("a", "bc")
        #expect(UploadKey(one) != UploadKey(other))
        try store.send(Chunk.all(of: 20, size: 10)[0], of: content(20), as: one)
        #expect(try store.status(of: other) == nil)
        try store.sendAll(content(30, seed: 2), as: other)
        try store.sendAll(content(20), as: one)
        #expect(site.files == ["bc", "c"])
        #expect(try site.folder.read("bc") == content(30, seed: 2))
        #expect(try site.folder.read("c") == content(20))
    }

    @Test("Spooled bytes are replayed completely", arguments: [0, 1, 10, 100])
    func spool(count: Int) throws {
        let site = try Site()
        let store = try site.store()
        let spool = try store.spool()
        let bytes = content(count)
        for byte in bytes { try [byte].withUnsafeBytes { try spool.write($0) } }
        let chunk = Chunk.all(of: count, size: 100)[0]
        let writer = try store.receive(upload: uploadID(), size: UInt64(count), layout: chunk.layout())
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 7, alignment: 1)
        defer { buffer.deallocate() }
        try spool.replay(to: writer, through: buffer)
        #expect(try writer.commit().effect == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
        #expect(site.state == [], "the spool has no name, and a file in one chunk no journal")
    }
}
