/// Which bytes of a file are held: sorted ranges that neither touch nor overlap nor are empty.
///
/// Chunks come nearly in order, so the set is short (one range for each sender at work) however long the file is.
/// Looking up is a binary search; adding and removing move what lies behind.
package struct ByteRangeSet: Sendable, Equatable {
    /// The ranges, in order.
    package private(set) var ranges: [ByteRange] = []

    /// The empty set.
    package init() {}

    /// How many bytes are in the set.
    package var count: UInt64 { ranges.reduce(0) { $0 + $1.length } }

    /// True if every byte of `range` is in the set; so for an empty range.
    package func contains(_ range: ByteRange) -> Bool {
        guard !range.isEmpty else { return true }
        let index = firstIndex(endingAfter: range.start)
        return index < ranges.count && ranges[index].start <= range.start && ranges[index].end >= range.end
    }

    /// Puts a range in; what it touches or overlaps becomes one range with it.
    package mutating func insert(_ range: ByteRange) {
        guard !range.isEmpty else { return }
        let first = firstIndex(endingAfter: range.start > 0 ? range.start - 1 : 0)
        var last = first
        var start = range.start
        var end = range.end
        while last < ranges.count, ranges[last].start <= range.end {
            start = min(start, ranges[last].start)
            end = max(end, ranges[last].end)
            last += 1
        }
        replace(first..<last, with: [(start, end)])
    }

    /// Takes a range out.
    package mutating func remove(_ range: ByteRange) {
        guard !range.isEmpty else { return }
        let first = firstIndex(endingAfter: range.start)
        var last = first
        var rest: [(UInt64, UInt64)] = []
        while last < ranges.count, ranges[last].start < range.end {
            rest.append((ranges[last].start, min(ranges[last].end, range.start)))
            rest.append((max(ranges[last].start, range.end), ranges[last].end))
            last += 1
        }
        replace(first..<last, with: rest)
    }

    /// The part of the set that lies in `range`, in order.
    package func intersection(_ range: ByteRange) -> [ByteRange] {
        guard !range.isEmpty else { return [] }
        var found: [ByteRange] = []
        var index = firstIndex(endingAfter: range.start)
        while index < ranges.count, ranges[index].start < range.end {
            let held = ranges[index]
            if let part = ByteRange(from: max(held.start, range.start), to: min(held.end, range.end)) {
                found.append(part)
            }
            index += 1
        }
        return found
    }

    /// Pairs that are empty or the wrong way round are left out.
    private mutating func replace(_ indices: Range<Int>, with pairs: [(UInt64, UInt64)]) {
        ranges.replaceSubrange(
            indices, with: pairs.compactMap { $0.0 < $0.1 ? ByteRange(from: $0.0, to: $0.1) : nil })
    }

    /// The first range that has a byte behind `offset`, or the number of ranges.
    private func firstIndex(endingAfter offset: UInt64) -> Int {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].end > offset { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
