/// The bytes of a file that are held: sorted ranges, none of them empty, that neither touch nor overlap.
///
/// Chunks arrive nearly in order, so the set is short (about one range for each parallel request), however long the
/// file is. Lookup is a binary search; insertion and removal move the ranges behind.
package struct ByteRangeSet: Sendable, Equatable {
    /// The ranges, in order.
    package private(set) var ranges: [ByteRange] = []

    /// The empty set.
    package init() {}

    /// The number of bytes in the set.
    package var count: UInt64 { ranges.reduce(0) { $0 + $1.length } }

    /// True if every byte of `range` is in the set, also for an empty range.
    package func contains(_ range: ByteRange) -> Bool {
        guard !range.isEmpty else { return true }
        let index = firstIndex(endingAfter: range.start)
        return index < ranges.count && ranges[index].start <= range.start && ranges[index].end >= range.end
    }

    /// Adds a range. It is merged with the ranges that it touches or overlaps.
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

    /// Removes a range.
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

    /// The part of the set inside `range`, in order.
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

    /// Replaces ranges. Pairs whose start is not less than their end are left out.
    private mutating func replace(_ indices: Range<Int>, with pairs: [(UInt64, UInt64)]) {
        ranges.replaceSubrange(
            indices, with: pairs.compactMap { $0.0 < $0.1 ? ByteRange(from: $0.0, to: $0.1) : nil })
    }

    /// The index of the first range that ends after `offset`, or the number of ranges.
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
