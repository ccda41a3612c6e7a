import Testing
import UploadModel

/// The two ways of cutting, chunk by chunk (PROTOCOL.md, Parameters, "Where a chunk lies").
/// With chunks of 10 bytes; each row is one file with all its chunks as (offset, length).
@Suite("Where chunks lie")
struct ChunkLayoutTests {
    struct Row: CustomTestStringConvertible, Sendable {
        var total: UInt64
        var chunks: [[UInt64]]
        var testDescription: String { "\(total) bytes" }
    }

    /// The default: `max(floor(total / 10), 1)` chunks, the last takes the rest with it.
    static let restInLastChunk = [
        Row(total: 0, chunks: [[0, 0]]),
        Row(total: 1, chunks: [[0, 1]]),
        Row(total: 9, chunks: [[0, 9]]),
        Row(total: 10, chunks: [[0, 10]]),
        Row(total: 11, chunks: [[0, 11]]),
        Row(total: 19, chunks: [[0, 19]]),
        Row(total: 20, chunks: [[0, 10], [10, 10]]),
        Row(
            total: 101,
            chunks: [
                [0, 10], [10, 10], [20, 10], [30, 10], [40, 10], [50, 10], [60, 10], [70, 10], [80, 10], [90, 11],
            ]),
    ]

    /// `forceChunkSize`: `ceil(total / 10)` chunks (an empty file has one), the last is the rest.
    static let forcedChunkSize = [
        Row(total: 0, chunks: [[0, 0]]),
        Row(total: 1, chunks: [[0, 1]]),
        Row(total: 9, chunks: [[0, 9]]),
        Row(total: 10, chunks: [[0, 10]]),
        Row(total: 11, chunks: [[0, 10], [10, 1]]),
        Row(total: 19, chunks: [[0, 10], [10, 9]]),
        Row(total: 20, chunks: [[0, 10], [10, 10]]),
        Row(
            total: 101,
            chunks: [
                [0, 10], [10, 10], [20, 10], [30, 10], [40, 10], [50, 10], [60, 10], [70, 10], [80, 10], [90, 10],
                [100, 1],
            ]),
    ]

    @Test("each chunk of either way of cutting has its place", arguments: restInLastChunk + forcedChunkSize)
    func places(_ row: Row) throws {
        for (index, chunk) in row.chunks.enumerated() {
            let layout = try #require(ChunkLayout(number: UInt64(index + 1), chunkSize: 10, total: row.total))
            #expect(layout.offset == chunk[0])
            let settled = try #require(layout.settled(length: chunk[1]), "chunk \(index + 1)")
            #expect(settled.offset == chunk[0])
            #expect(settled.lengths == [chunk[1]])
            #expect(settled.range == ByteRange(from: chunk[0], length: chunk[1]))
        }
    }

    @Test("no other length fits", arguments: zip(restInLastChunk, forcedChunkSize))
    func lengths(_ rest: Row, _ forced: Row) throws {
        #expect(rest.total == forced.total)
        for index in 0..<forced.chunks.count {
            let layout = try #require(ChunkLayout(number: UInt64(index + 1), chunkSize: 10, total: rest.total))
            let fitting = [forced, rest].filter { index < $0.chunks.count }.map { $0.chunks[index][1] }
            #expect(Set(layout.lengths) == Set(fitting))
            #expect(layout.lengths == layout.lengths.sorted())
            for length in 0...30 as ClosedRange<UInt64> {
                #expect((layout.settled(length: length) != nil) == fitting.contains(length), "\(length) bytes")
            }
        }
    }

    @Test("there is no chunk after the last one or before the first", arguments: forcedChunkSize)
    func outside(_ row: Row) {
        #expect(ChunkLayout(number: 0, chunkSize: 10, total: row.total) == nil)
        for more in [1, 2, 1000] as [UInt64] {
            #expect(ChunkLayout(number: UInt64(row.chunks.count) + more, chunkSize: 10, total: row.total) == nil)
        }
        #expect(ChunkLayout(number: .max, chunkSize: 10, total: row.total) == nil)
    }

    @Test("a chunk size of zero is invalid")
    func zeroChunkSize() {
        #expect(ChunkLayout(number: 1, chunkSize: 0, total: 10) == nil)
        #expect(ChunkLayout(number: 1, chunkSize: 0, total: 0) == nil)
    }

    @Test("until its length is settled, a chunk's range is the longest it can be")
    func openRange() throws {
        let layout = try #require(ChunkLayout(number: 1, chunkSize: 10, total: 19))
        #expect(layout.range == ByteRange(first: 19))
    }

    @Test("a chunk's place is exact up to the largest file, and no product wraps around")
    func largest() throws {
        let largest = UInt64(Int64.max)
        let size: UInt64 = 1 << 40
        // 2^63 - 1 is 2^23 chunks of 2^40 bytes less one byte.
        let last = try #require(ChunkLayout(number: 1 << 23, chunkSize: size, total: largest))
        #expect(last.offset == ((1 << 23) - 1) << 40)
        #expect(last.lengths == [size - 1])
        #expect(last.range.end == largest)
        let before = try #require(ChunkLayout(number: (1 << 23) - 1, chunkSize: size, total: largest))
        #expect(before.lengths == [size, 2 * size - 1])
        #expect(ChunkLayout(number: (1 << 23) + 1, chunkSize: size, total: largest) == nil)
        // 2^24 * 2^40 is 2^64: cut to 64 bits that would be byte 0.
        #expect(ChunkLayout(number: (1 << 24) + 1, chunkSize: size, total: largest) == nil)
        #expect(ChunkLayout(number: 0x7fff_ffff, chunkSize: size, total: largest) == nil)
        #expect(ChunkLayout(number: 0x7fff_ffff, chunkSize: 1, total: 0x7fff_ffff)?.offset == 0x7fff_fffe)
    }

    @Test("a chunk size near 2^64 does not wrap around either")
    func hugeChunkSize() throws {
        let layout = try #require(ChunkLayout(number: 1, chunkSize: .max, total: 10))
        #expect(layout.lengths == [10])
        #expect(ChunkLayout(number: 2, chunkSize: .max, total: 10) == nil)
        let half = try #require(ChunkLayout(number: 1, chunkSize: 1 << 63, total: UInt64.max))
        #expect(half.lengths == [1 << 63, .max])
    }
}
