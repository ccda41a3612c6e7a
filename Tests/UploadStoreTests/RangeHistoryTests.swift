import Glibc
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// Reading journals of many ranges.

@Suite struct RangeHistoryTests {
    enum Order: CaseIterable { case ascending, descending, random }

    @Test("The result is what adding and removing the ranges one by one gives")
    func likeOneByOne() throws {
        var generator = SplitMix64(seed: 5)
        for round in 0..<300 {
            var history = RangeHistory()
            var set = ByteRangeSet()
            let edges: UInt64 = round % 2 == 0 ? 30 : 1000
            for number in 0..<Int.random(in: 0...120, using: &generator) {
                let start = UInt64.random(in: 0..<edges, using: &generator)
                let length = UInt64.random(in: 0..<12, using: &generator)
                let range = try #require(ByteRange(from: start, length: length))
                let isHeld = round % 3 == 0 || Int.random(in: 0..<4, using: &generator) > 0
                history.append(.init(range: range, isHeld: isHeld, checksum: isHeld ? 1 : nil, number: number))
                if isHeld { set.insert(range) } else { set.remove(range) }
            }
            let result = history.result()
            #expect(result.held == set)
            // Each byte that is held comes from one of the current steps.
            var current = ByteRangeSet()
            for step in result.current { current.insert(step.range) }
            for range in set.ranges { #expect(current.contains(range)) }
            // The remaining ranges are those bytes, each once.
            let remaining = history.remaining().flatMap(\.ranges)
            var all = ByteRangeSet()
            for range in remaining { all.insert(range) }
            #expect(all == set)
            #expect(remaining.reduce(0) { $0 + $1.length } == set.count)
        }
    }

    @Test(
        "The time to read a journal grows with its length, whatever the order of its ranges", arguments: Order.allCases)
    func time(_ order: Order) throws {
        func seconds(_ count: Int) throws -> Double {
            let folder = try TemporaryFolder()
            let header = JournalHeader(size: 1 << 40, nonce: 9, begun: 0, texts: ["id", "name"])
            var numbers = Array(0..<count)
            var generator = SplitMix64(seed: 1)
            switch order {
            case .ascending: break
            case .descending: numbers.reverse()
            case .random: numbers.shuffle(using: &generator)
            }
            let records: [JournalRecord] = try numbers.map { number in
                .held(try ByteRange(2 * number..<2 * number + 1), checksum: 0)
            }
            try folder.write(header.encoded + records.encoded(nonce: 9), to: "journal")
            let file = try #require(try LinuxDirectory.root(folder.path).open("journal"))
            let start = processorTime()
            let ranges = try Journal.read(file)?.held.ranges.count ?? 0
            let seconds = processorTime() - start
            #expect(ranges == count)
            return seconds
        }
        let few = try seconds(20_000)
        // JOURNAL_RANGES asks for a figure.
        let count = getenv("JOURNAL_RANGES").flatMap { Int(String(cString: $0)) } ?? 200_000
        let many = try seconds(count)
        print("reading \(count) ranges, \(order): \(many) s, and 20000: \(few) s")
        #expect(many < 4 * few * Double(count) / 20_000)
    }

    @Test("An upload has a bounded number of ranges: a chunk that would add one waits until gaps are closed")
    func bounded() throws {
        let site = try Site()
        let events = Collected<StoreEvent>()
        let store = try site.store(observe: events.add)
        let id = try uploadID()
        let count = Journal.maximumRanges
        func receive(_ start: Int, _ length: Int) throws -> any ChunkWriter {
            let layout = ChunkLayout(offset: UInt64(start), length: UInt64(length))
            return try store.receive(
                ChunkRequest(
                    upload: id, number: 1, place: .sized(total: UInt64(20 * count), chunkSize: 20, layout)))
        }
        _ = try receive(0, 1)
        let file = try #require(try store.state.open(UploadKey(id).journal))
        var journal = try #require(try Journal.read(file))
        try journal.append((0..<count).map { .held(try ByteRange(2 * $0..<2 * $0 + 1), checksum: 0) })
        for _ in 0..<2 {
            #expect(throws: StoreError.scattered) { try receive(2 * count + 5, 1) }
        }
        // The operator is told once.
        #expect(events.all.count { if case .scattered = $0 { true } else { false } } == 1)
        let writer = try receive(1, 1)
        try writer.write([7])
        #expect(try writer.commit().effect == .stored)
        _ = try receive(2 * count + 5, 1)
    }

    @Test("An upload has a bounded number of records: a chunk that would add one is refused, a duplicate is not")
    func tooManyRecords() throws {
        let store = try Site().store()
        let id = try uploadID()
        let bytes = content(20)
        let chunks = Chunk.all(of: 20, size: 10)
        try store.send(chunks[0], of: bytes, as: id)
        let file = try #require(try store.state.open(UploadKey(id).journal))
        var journal = try #require(try Journal.read(file))
        try journal.append(Array(repeating: .durable(records: 0), count: 1 << 15))
        #expect(throws: StoreError.tooManyRecords) { try store.send(chunks[1], of: bytes, as: id) }
        #expect(try store.send(chunks[0], of: bytes, as: id) == .duplicate)
        #expect(throws: StoreError.tooManyRecords) { try store.send(chunks[0], of: content(20, seed: 2), as: id) }
        #expect(try store.isHeld(chunks[0], of: id))
    }

    @Test("A file that is cut into too many chunks is refused")
    func tooManyChunks() throws {
        let store = try Site().store()
        let layout = ChunkLayout(offset: 0, length: 1)
        let total = Journal.maximumChunks + 1
        #expect(throws: StoreError.tooLarge(limit: Journal.maximumChunks)) {
            try store.receive(
                ChunkRequest(upload: uploadID(), number: 1, place: .sized(total: total, chunkSize: 1, layout)))
        }
    }

    @Test("Metadata is not written again if only its order differs, and not without end")
    func metadata() throws {
        let site = try Site()
        let store = try site.store()
        let id = try uploadID()
        func send(_ number: Int, _ metadata: Metadata) throws {
            let layout = ChunkLayout(offset: UInt64(number), length: 1)
            let writer = try store.receive(
                ChunkRequest(
                    upload: id, number: UInt64(number) + 1, place: .sized(total: 1000, chunkSize: 1, layout),
                    metadata: metadata))
            try writer.write([1])
            _ = try writer.commit()
        }
        func size() throws -> Int { try site.folder.read(site.journalPath(id)).count }
        let one = Metadata.Pair(name: "a", value: "1")
        let other = Metadata.Pair(name: "b", value: "2")
        try send(0, Metadata([one, other]))
        let before = try size()
        try send(1, Metadata([other, one]))
        #expect(try size() == before + 32)
        for number in 2..<40 {
            try send(number, Metadata([.init(name: "title", value: String(repeating: "x", count: 60_000 + number))]))
        }
        #expect(try size() < before + Journal.maximumDescribed + 40 * 64)
    }
}
