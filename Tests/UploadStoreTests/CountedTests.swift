import StoreTestSupport
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// Clients that state only how many chunks there are (PROTOCOL.md, Parameters), as with the Flask backend.

@Suite struct CountedTests {
    let site: Site
    let store: LocalStore
    let id: UploadID

    init() throws {
        site = try Site()
        store = try site.store()
        id = try uploadID()
    }

    private func request(_ number: Int, of count: Int, limit: UInt64 = 1 << 40) -> ChunkRequest {
        ChunkRequest(
            upload: id, number: UInt64(number), place: .counted(chunks: UInt64(count)), maximumFileSize: limit)
    }

    @discardableResult
    private func send(
        _ number: Int, of count: Int, _ bytes: some Collection<UInt8>, limit: UInt64 = 1 << 40
    ) throws -> Receipt.Effect {
        let writer = try store.receive(request(number, of: count, limit: limit))
        try writer.write(bytes, piece: 7)
        return try writer.commit().effect
    }

    private func isHeld(_ number: Int, of count: Int) throws -> Bool {
        try store.status(of: request(number, of: count))?.receipt != nil
    }

    @Test("With chunks in any order, each sent twice, the file is right", arguments: Cut.allCases, 0..<20)
    func anyOrder(cut: Cut, seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let bytes = content(Int.random(in: 1...120, using: &generator), seed: seed)
        let chunks = Chunk.all(of: bytes.count, size: Int.random(in: 1...40, using: &generator), cut)
        var completions = 0
        for chunk in (chunks + chunks).shuffled(using: &generator) {
            if case .completed = try send(chunk.number, of: chunks.count, bytes[chunk.range]) { completions += 1 }
            // A finished file of one chunk is sent again instead of asked for.
            #expect(try isHeld(chunk.number, of: chunks.count) == (chunks.count > 1))
        }
        #expect(completions == 1)
        #expect(site.files == ["name.bin"])
        #expect(try site.folder.read("name.bin") == bytes)
        #expect(site.state == [UploadKey(id).journal])
    }

    @Test("A test finds the right chunks held, also while the last chunk's offset is not known")
    func tests() throws {
        let bytes = content(25)
        #expect(try !isHeld(1, of: 3))
        #expect(try send(3, of: 3, bytes[20...]) == .stored)
        #expect(try (1...3).map { try isHeld($0, of: 3) } == [false, false, true])
        let status = try #require(try store.status(of: request(1, of: 3)))
        #expect(status.size == nil && status.held.ranges.isEmpty && !status.complete)
        #expect(try send(2, of: 3, bytes[10..<20]) == .stored)
        #expect(try (1...3).map { try isHeld($0, of: 3) } == [false, true, true])
        #expect(try store.status(of: request(1, of: 3))?.size == 25)
        #expect(try send(1, of: 3, bytes[..<10]) == .completed(path: "name.bin"))
        #expect(try (1...3).map { try isHeld($0, of: 3) } == [true, true, true])
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("An empty file is one chunk without bytes")
    func empty() throws {
        #expect(try send(1, of: 1, []) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == [])
        #expect(try send(1, of: 1, []) == .duplicate)
    }

    @Test("If the last chunk is sent again with other bytes before its offset is known, the later bytes count")
    func otherTail() throws {
        let bytes = content(25)
        try send(3, of: 3, content(9, seed: 2))
        try send(3, of: 3, bytes[20...])
        for number in [1, 2] { try send(number, of: 3, bytes[(number * 10 - 10)..<(number * 10)]) }
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("A chunk with another size than the others is refused and leaves nothing", arguments: [0, 9, 11])
    func wrongSize(length: Int) throws {
        try send(1, of: 3, content(10))
        #expect(throws: StoreError.self) { try send(2, of: 3, content(length)) }
        #expect(try !isHeld(2, of: 3))
        #expect(throws: StoreError.self) { try send(3, of: 3, content(20)) }
        #expect(try !isHeld(3, of: 3))
    }

    @Test("A file that turns out to be too large is refused")
    func tooLarge() throws {
        try send(1, of: 3, content(10), limit: 25)
        try send(2, of: 3, content(10), limit: 25)
        #expect(throws: StoreError.tooLarge(limit: 25)) { try send(3, of: 3, content(6), limit: 25) }
        #expect(throws: StoreError.tooLarge(limit: 25)) { try send(3, of: 3, content(26), limit: 25) }
        #expect(try send(3, of: 3, content(5), limit: 25) == .completed(path: "name.bin"))
    }

    @Test("A client that states the sizes resumes the same upload", arguments: [true, false])
    func mixed(tailFirst: Bool) throws {
        let bytes = content(25)
        if tailFirst { try send(3, of: 3, bytes[20...]) } else { try send(2, of: 3, bytes[10..<20]) }
        let chunks = Chunk.all(of: 25, size: 10)
        for chunk in chunks {
            let place = ChunkRequest.Place.sized(total: 25, chunkSize: 10, try chunk.layout())
            let request = ChunkRequest(upload: id, number: UInt64(chunk.number), place: place)
            let held = try store.status(of: request)?.receipt != nil
            #expect(held == (chunk.number == (tailFirst ? 3 : 2)))
            if held { continue }
            let writer = try store.receive(request)
            try writer.write(bytes[chunk.range])
            _ = try writer.commit()
        }
        #expect(try site.folder.read("name.bin") == bytes)
        // And the other way round.
        #expect(try send(1, of: 3, bytes[..<10]) == .duplicate)
    }

    @Test("If a process dies after the last record, the next process finishes its work", arguments: [1, 2])
    func restart(boot: UInt64) throws {
        let bytes = content(25)
        try send(3, of: 3, bytes[20...])
        let journal = try site.folder.read(site.journalPath(id))
        try send(2, of: 3, bytes[10..<20])
        // Only the journal from before the tail was moved, and the record of the second chunk.
        let whole = try site.folder.read(site.journalPath(id))
        let record = 32
        try site.folder.write(Array(whole[..<(journal.count + 2 * record)]), to: site.journalPath(id))
        let next = try site.store(boot: boot)
        #expect(next.recover().isEmpty)
        #expect(try next.status(of: request(1, of: 3))?.size == 25)
        let writer = try next.receive(request(1, of: 3))
        try writer.write(bytes[..<10])
        #expect(try writer.commit().effect == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("Many threads at once", arguments: 0..<20)
    func parallel(seed: UInt64) throws {
        let bytes = content(300, seed: seed)
        let chunks = Chunk.all(of: 300, size: 37, .lastTakesRest)
        let completed = Collected<Int>()
        let failures = Collected<String>()
        try onThreads(chunks.count) { index in
            let chunk = chunks[chunks.count - 1 - index]
            do {
                let effect = try untilNotBusy { try send(chunk.number, of: chunks.count, bytes[chunk.range]) }
                if case .completed = effect { completed.add(1) }
            } catch {
                failures.add("\(error)")
            }
        }
        #expect(failures.all == [])
        #expect(completed.all.count == 1)
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test(
        "Other bytes for a finished file begin a new one, with the chunks that were the same", arguments: Cut.allCases)
    func anotherFile(cut: Cut) throws {
        let first = content(35)
        let chunks = Chunk.all(of: 35, size: 10, cut)
        for differing in chunks {
            var second = first
            second.replaceSubrange(differing.range, with: content(differing.range.count, seed: 9))
            try remove()
            for bytes in [first, second] {
                var effects: [Receipt.Effect] = []
                for chunk in chunks {
                    effects.append(try send(chunk.number, of: chunks.count, bytes[chunk.range]))
                    if bytes == second, chunk.number >= differing.number {
                        #expect(try isHeld(chunk.number, of: chunks.count))
                    }
                }
                #expect(effects.last == .completed(path: bytes == first ? "name.bin" : "name (1).bin"))
            }
            #expect(try site.folder.read("name.bin") == first)
            #expect(try site.folder.read("name (1).bin") == second)
        }
    }

    @Test("Nothing of a finished file gets into one that is cut in another way")
    func cutInAnotherWay() throws {
        let first = content(30)
        for chunkSize in [5, 7, 13, 25] {
            try remove()
            for chunk in Chunk.all(of: 30, size: 10) { try send(chunk.number, of: 3, first[chunk.range]) }
            // A late duplicate.
            #expect(try send(3, of: 3, first[20...]) == .duplicate)
            let second = content(50, seed: 9)
            let chunks = Chunk.all(of: 50, size: chunkSize)
            for chunk in chunks { try send(chunk.number, of: chunks.count, second[chunk.range]) }
            #expect(try site.folder.read("name.bin") == first)
            #expect(try site.folder.read("name (1).bin") == second)
        }
    }

    /// Removes the files and all that the store knows of them.
    private func remove() throws {
        for name in site.files { try site.folder.remove(name) }
        if let upload = try store.find(id) { store.cache.drop(upload) }
        for name in site.state { try site.folder.remove(".resumabled/" + name) }
    }
}
