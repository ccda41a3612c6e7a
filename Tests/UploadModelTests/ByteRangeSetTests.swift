import TestSupport
import Testing
import UploadModel

/// The set is held against the simplest thing that can be right: one Boolean a byte.
@Suite("Sets of byte ranges")
struct ByteRangeSetTests {
    /// One Boolean a byte.
    private struct Bitmap {
        var bits = [Bool](repeating: false, count: 200)

        mutating func set(_ range: ByteRange, to value: Bool) {
            for index in Int(range.start)..<Int(range.end) { bits[index] = value }
        }

        func contains(_ range: ByteRange) -> Bool {
            bits[Int(range.start)..<Int(range.end)].allSatisfy { $0 }
        }

        /// The longest stretches of set bits inside of `range`.
        func stretches(in range: ByteRange) -> [[UInt64]] {
            var found: [[UInt64]] = []
            for index in range.start..<range.end where bits[Int(index)] {
                if let last = found.last, last[1] == index {
                    found[found.count - 1][1] = index + 1
                } else {
                    found.append([index, index + 1])
                }
            }
            return found
        }
    }

    private func range(_ start: UInt64, _ end: UInt64) throws -> ByteRange {
        try #require(ByteRange(from: start, to: end))
    }

    private func pairs(_ ranges: [ByteRange]) -> [[UInt64]] {
        ranges.map { [$0.start, $0.end] }
    }

    @Test("inserts and removes do what they do to a bitmap, whatever their order", arguments: 0..<20 as Range<UInt64>)
    func againstBitmap(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var set = ByteRangeSet()
        var bitmap = Bitmap()
        let all = ByteRange(first: 200)
        // Short ranges make many pieces, long ones swallow them.
        let longest: UInt64 = seed % 2 == 0 ? 12 : 120
        func some() throws -> ByteRange {
            let start = UInt64.random(in: 0...200, using: &random)
            return try range(start, min(200, start + UInt64.random(in: 0...longest, using: &random)))
        }
        for _ in 0..<500 {
            let changed = try some()
            if Bool.random(using: &random) {
                set.insert(changed)
                bitmap.set(changed, to: true)
            } else {
                set.remove(changed)
                bitmap.set(changed, to: false)
            }
            // Sorted, disjoint, not touching, not empty: all of it follows from being the longest stretches in order.
            try #require(pairs(set.ranges) == bitmap.stretches(in: all))
            try #require(set.count == UInt64(bitmap.bits.count { $0 }))
            let asked = try some()
            try #require(set.contains(asked) == bitmap.contains(asked), "\(asked) in \(set.ranges)")
            try #require(pairs(set.intersection(asked)) == bitmap.stretches(in: asked), "\(asked) in \(set.ranges)")
        }
    }

    @Test("ranges that touch become one")
    func touching() throws {
        var set = ByteRangeSet()
        set.insert(try range(0, 10))
        set.insert(try range(20, 30))
        #expect(pairs(set.ranges) == [[0, 10], [20, 30]])
        set.insert(try range(10, 20))
        #expect(pairs(set.ranges) == [[0, 30]])
        #expect(set.count == 30)
    }

    @Test("an empty range is always contained and changes nothing")
    func empty() throws {
        var set = ByteRangeSet()
        set.insert(try range(5, 5))
        #expect(set.ranges.isEmpty)
        #expect(set.contains(try range(7, 7)))
        set.insert(try range(0, 10))
        set.remove(try range(5, 5))
        set.insert(try range(10, 10))
        #expect(pairs(set.ranges) == [[0, 10]])
        #expect(set.intersection(try range(5, 5)).isEmpty)
    }

    @Test("the ends of what 64 bits can count are bytes like others")
    func extremes() throws {
        var set = ByteRangeSet()
        let last = try range(.max - 10, .max)
        set.insert(last)
        set.insert(try range(0, 1))
        #expect(pairs(set.ranges) == [[0, 1], [.max - 10, .max]])
        #expect(set.contains(last))
        set.insert(try range(1, .max - 10))
        #expect(pairs(set.ranges) == [[0, .max]])
        set.remove(try range(1, .max))
        #expect(pairs(set.ranges) == [[0, 1]])
    }

    @Test("a range never ends before it starts, and never past 64 bits")
    func ranges() {
        #expect(ByteRange(from: 2, to: 1) == nil)
        #expect(ByteRange(from: 2, to: 2)?.isEmpty == true)
        #expect(ByteRange(from: .max, length: 1) == nil)
        #expect(ByteRange(from: .max - 1, length: 1)?.end == .max)
        #expect(ByteRange(from: 3, length: 4)?.length == 4)
    }
}
