import TestSupport
import Testing
import UploadModel

@testable import ObjectStore

@Suite("What records hold") struct HoldingsTests {
    private let lengths = Grid.Lengths(smallestPart: 10, usual: 10, longestGathered: 100, longestChunk: 1000)

    private func range(_ start: UInt64, _ end: UInt64) throws -> ByteRange {
        try #require(ByteRange(from: start, to: end))
    }

    private func record(_ sequence: UInt64, _ id: Int, _ start: UInt64, _ end: UInt64, part: String? = nil) throws
        -> Record
    {
        let digits = String(id)
        return Record(
            sequence: sequence, id: String(repeating: "0", count: 16 - digits.count) + digits, time: 100 + sequence,
            chunk: try range(start, end), digest: String(repeating: String(digits.suffix(1)), count: 64), part: part)
    }

    /// A generation whose records are in all of their cells, but for those that are left out.
    private func generation(_ records: [Record], _ grid: Grid, without: [(id: Int, cell: Int)] = []) -> Generation {
        var generation = Generation(name: Generation.Name(1))
        for record in records {
            for cell in grid.cells(of: record.chunk)
            where !without.contains(where: { $0.id == Int(record.id) && $0.cell == cell }) {
                generation.cells[cell, default: CellRecords()].records.append(record)
            }
        }
        return generation
    }

    @Test("Records in any order hold their union, and each byte comes from the newest one")
    func union() throws {
        for seed in 0..<300 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            let size = UInt64.random(in: 1...40, using: &generator)
            let grid = try #require(Grid(size: size, chunkSize: 10, lengths))
            var records: [Record] = []
            var expected = [Int?](repeating: nil, count: Int(size))
            for id in 0..<Int.random(in: 1...12, using: &generator) {
                let start = UInt64.random(in: 0..<size, using: &generator)
                let end = UInt64.random(in: start + 1...size, using: &generator)
                records.append(try record(UInt64(id / 2), id, start, end))
                for index in start..<end { expected[Int(index)] = id }
            }
            let holdings = Holdings(grid: grid, generation(records.shuffled(using: &generator), grid))
            for index in 0..<Int(size) {
                let byte = try range(UInt64(index), UInt64(index) + 1)
                #expect(holdings.held.contains(byte) == (expected[index] != nil), "seed \(seed)")
                let segment = holdings.segments(of: index / 10).first { $0.range.overlaps(byte) }
                var found: Int?
                if case .record(let record)? = segment?.source { found = Int(record.id) }
                #expect(found == expected[index], "seed \(seed), byte \(index)")
            }
            for cell in 0..<grid.count {
                let isWhole = holdings.held.contains(grid.range(cell))
                #expect((holdings.content(of: cell) != nil) == isWhole)
            }
            #expect(holdings.sequence(above: 0..<grid.count) == 1 + (records.map(\.sequence).max() ?? 0))
        }
    }

    @Test("A chunk in several cells counts in all of them or in none: its last record decides")
    func wholeChunks() throws {
        let grid = try #require(Grid(size: 40, chunkSize: 10, lengths))
        let chunk = try record(1, 1, 5, 35)
        // The record in the last cell is put last, so a host that has died has left the others without it.
        #expect(Holdings(grid: grid, generation([chunk], grid, without: [(1, 3)])).held.ranges.isEmpty)
        #expect(Holdings(grid: grid, generation([chunk], grid)).held.count == 30)
    }

    @Test("Records that do not fit the file are left out")
    func foreign() throws {
        let grid = try #require(Grid(size: 40, chunkSize: 10, lengths))
        var generation = Generation(name: Generation.Name(1))
        generation.cells[0] = CellRecords(records: [try record(1, 1, 35, 41), try record(1, 2, 20, 30)])
        generation.cells[9] = CellRecords(records: [try record(1, 3, 0, 5)])
        #expect(Holdings(grid: grid, generation).held.count == 0)
    }

    @Test("A part counts over an object of the same time, and under a later one")
    func parts() throws {
        let grid = try #require(Grid(size: 20, chunkSize: 10, lengths))
        let part = try record(2, 1, 0, 10, part: "etag")
        let same = Holdings(grid: grid, generation([part, try record(2, 9, 0, 5)], grid))
        #expect(same.content(of: 0)?.part == "etag")
        let later = Holdings(grid: grid, generation([part, try record(3, 0, 0, 5)], grid))
        #expect(later.content(of: 0)?.part == nil && later.content(of: 0)?.isMixed == true)
        let covered = Holdings(grid: grid, generation([part, try record(3, 0, 0, 5), try record(3, 2, 5, 10)], grid))
        #expect(covered.content(of: 0)?.isMixed == false && covered.content(of: 0)?.part == nil)
        #expect(same.partBehind(try range(3, 7), in: 0) == part)
        #expect(same.partBehind(try range(0, 10), in: 0) == nil)
        #expect(same.partBehind(try range(10, 12), in: 1) == nil)
        #expect(covered.partBehind(try range(3, 7), in: 0) == nil)
    }

    @Test("A piece is a duplicate only if the newest record there is of the same range and bytes")
    func duplicates() throws {
        let grid = try #require(Grid(size: 20, chunkSize: 10, lengths))
        let records = [try record(1, 1, 0, 5), try record(1, 2, 5, 10), try record(2, 3, 4, 6)]
        let holdings = Holdings(grid: grid, generation(records, grid))
        func holds(_ start: UInt64, _ end: UInt64, _ digit: String) throws -> Bool {
            holdings.holds(try range(start, end), in: 0, digest: String(repeating: digit, count: 64))
        }
        #expect(try holds(4, 6, "3"))
        for (start, end, digit) in [(4, 6, "1"), (0, 5, "1"), (5, 10, "2"), (4, 5, "3")] as [(UInt64, UInt64, String)] {
            #expect(try !holds(start, end, digit), "\(start)")
        }
    }

    @Test("Confirmed ranges are held in front of the first difference, and provisional behind it until a chunk comes")
    func inherited() throws {
        let grid = try #require(Grid(size: 40, chunkSize: 10, lengths))
        let confirmed = [try range(0, 10), try range(20, 30), try range(30, 40)]
        let chunk = try record(1, 1, 10, 20)
        let first = Holdings(grid: grid, generation([chunk], grid), confirmed: confirmed, before: 10)
        #expect(first.held.ranges == [try range(0, 20)] && first.provisional == Array(confirmed[1...]))
        #expect(!first.isComplete && first.isCompleteWithProvisional)
        let second = Holdings(
            grid: grid, generation([chunk, try record(2, 2, 35, 36)], grid), confirmed: confirmed, before: 10)
        #expect(second.provisional == [confirmed[1]] && !second.isCompleteWithProvisional)
        let settled = Holdings(
            grid: grid, generation([chunk], grid), confirmed: confirmed, before: 10, settlesProvisional: true)
        #expect(settled.isComplete && settled.content(of: 3)?.segments.map(\.source) == [.inherited])
    }

    @Test("Contents with the same sources have the same name, and others another one")
    func inputs() throws {
        let grid = try #require(Grid(size: 20, chunkSize: 10, lengths))
        func inputs(_ records: [Record]) -> String? {
            Holdings(grid: grid, generation(records, grid)).content(of: 0)?.inputs
        }
        let records = [try record(1, 1, 0, 5), try record(1, 2, 5, 10)]
        #expect(inputs(records) == inputs(records.reversed()) && inputs(records) != nil)
        #expect(inputs(records) != inputs(records + [try record(2, 3, 4, 6)]))
        #expect(inputs(records) == inputs(records + [try record(0, 3, 4, 6)]), "an older record changes nothing")
    }
}
