import Testing
import UploadModel

@testable import ObjectStore

private let mebibyte: UInt64 = 1 << 20

@Suite("The cells of a file") struct GridTests {
    @Test(
        "A chunk of 5 MiB or more is a cell, and smaller ones are gathered in cells of at least 8 MiB",
        arguments: [
            // Chunk size, size of the file, cell, count.
            (5 * mebibyte, 100 * mebibyte, 5 * mebibyte, 20), (8 * mebibyte, 20 * mebibyte, 8 * mebibyte, 3),
            (mebibyte, 100 * mebibyte, 8 * mebibyte, 13), (3 * mebibyte, 100 * mebibyte, 9 * mebibyte, 12),
            (1, 30, 8 * mebibyte, 1), (10, 1, 8 * mebibyte + 2, 1), (64 * mebibyte, 1, 64 * mebibyte, 1),
        ] as [(UInt64, UInt64, UInt64, Int)])
    func cells(_ chunk: UInt64, _ size: UInt64, _ cell: UInt64, _ count: Int) throws {
        let grid = try #require(Grid(size: size, chunkSize: chunk))
        #expect(grid.cell == cell && grid.count == count)
        #expect(grid.cell % chunk == 0)
    }

    @Test(
        "A file of at most 16,384 chunks has at most 10,000 cells",
        arguments: [1, 5000, 10_000, 10_001, 16_384] as [UInt64])
    func limit(_ chunks: UInt64) throws {
        for chunk in [1000, mebibyte, 5 * mebibyte, 8 * mebibyte] {
            #expect(Grid(size: 16_385 * chunk, chunkSize: chunk) == nil)
            let grid = try #require(Grid(size: chunks * chunk, chunkSize: chunk))
            #expect((1...10_000).contains(grid.count))
            #expect(grid.cell >= 5 * mebibyte && grid.cell % chunk == 0)
        }
        #expect(Grid(size: 1 << 60, chunkSize: mebibyte) == nil)
        #expect(Grid(size: .max, chunkSize: 1) == nil)
        #expect(Grid(size: 0, chunkSize: 1) == nil && Grid(size: 1, chunkSize: 0) == nil)
    }

    @Test("The cells cover the file without gaps, and each byte of a chunk is in one piece")
    func pieces() throws {
        let lengths = Grid.Lengths(smallestPart: 5, usual: 8, longestGathered: 100, longestChunk: 1000)
        for size in 1...40 as ClosedRange<UInt64> {
            for chunk in 1...12 as ClosedRange<UInt64> {
                let grid = try #require(Grid(size: size, chunkSize: chunk, lengths))
                var end: UInt64 = 0
                for cell in 0..<grid.count {
                    #expect(grid.range(cell).start == end && !grid.range(cell).isEmpty)
                    end = grid.range(cell).end
                }
                #expect(end == size)
                for start in 0..<size {
                    for end in start + 1...size {
                        let range = try #require(ByteRange(from: start, to: end))
                        var position = start
                        for cell in grid.cells(of: range) {
                            let piece = grid.piece(of: range, in: cell)
                            #expect(piece.start == position && !piece.isEmpty)
                            position = piece.end
                        }
                        #expect(position == end)
                    }
                }
            }
        }
    }
}
