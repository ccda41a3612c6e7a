import UploadModel

/// The ranges that a journal adds and removes, in order. Adding them to a `ByteRangeSet` one by one moves all ranges
/// after each; for many records this works the result out at once, in n log n steps.
struct RangeHistory {
    /// A record that adds or removes a range.
    struct Step {
        var range: ByteRange
        /// Whether it adds the range or removes it.
        var isHeld: Bool
        /// The checksum of its bytes; nil if it needs no check.
        var checksum: UInt64?
        /// The number of its record.
        var number: Int
    }

    private(set) var steps: [Step] = []
    /// True if no step removes a range.
    private(set) var isOnlyAdding = true

    mutating func append(_ step: Step) {
        if step.range.isEmpty { return }
        if !step.isHeld { isOnlyAdding = false }
        steps.append(step)
    }

    /// The ranges in the end, and the steps with checksums whose bytes were not all removed or added again later. (If
    /// nothing is removed, all of them: bytes that are added twice are the same.)
    func result() -> (held: ByteRangeSet, current: [Step]) {
        if isOnlyAdding { return (added(to: ByteRangeSet()), steps.filter { $0.checksum != nil }) }
        var held = ByteRangeSet()
        var isCurrent = [Bool](repeating: false, count: steps.count)
        visitPieces { step, range in
            held.insert(range)
            isCurrent[step] = true
        }
        return (held, steps.indices.filter { isCurrent[$0] && steps[$0].checksum != nil }.map { steps[$0] })
    }

    /// The steps whose bytes were not all removed or added again later, each with the ranges of which that is true, in
    /// order.
    func remaining() -> [(step: Step, ranges: [ByteRange])] {
        var sets: [Int: ByteRangeSet] = [:]
        visitPieces { step, range in sets[step, default: ByteRangeSet()].insert(range) }
        return sets.sorted { $0.key < $1.key }.map { (steps[$0.key], $0.value.ranges) }
    }

    /// Calls `visit` with the pieces that are held in the end, in order of their places, and the index of the step that
    /// has added each last.
    private func visitPieces(_ visit: (_ step: Int, _ range: ByteRange) -> Void) {
        let bounds = steps.flatMap { [$0.range.start, $0.range.end] }.sorted()
        let byStart = steps.indices.sorted { steps[$0].range.start < steps[$1].range.start }
        var next = 0
        /// The steps whose ranges began before the bound, the latest on top.
        var begun = Heap()
        for (start, end) in zip(bounds, bounds.dropFirst()) where start < end {
            while next < byStart.count, steps[byStart[next]].range.start <= start {
                begun.insert(byStart[next])
                next += 1
            }
            while let latest = begun.largest, steps[latest].range.end <= start { begun.removeLargest() }
            guard let latest = begun.largest, steps[latest].isHeld, let range = ByteRange(from: start, to: end) else {
                continue
            }
            visit(latest, range)
        }
    }

    /// The ranges of a set and those of all steps, which remove nothing.
    func added(to before: ByteRangeSet) -> ByteRangeSet {
        let new = steps.map(\.range).sorted { $0.start < $1.start }
        var all = ByteRangeSet()
        var next = 0
        // In order, each range is added at the end.
        for range in before.ranges {
            while next < new.count, new[next].start < range.start {
                all.insert(new[next])
                next += 1
            }
            all.insert(range)
        }
        for range in new[next...] { all.insert(range) }
        return all
    }
}

/// Numbers of which the largest is at hand.
private struct Heap {
    private var items: [Int] = []

    var largest: Int? { items.first }

    mutating func insert(_ item: Int) {
        items.append(item)
        var index = items.count - 1
        while index > 0, items[(index - 1) / 2] < items[index] {
            items.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    mutating func removeLargest() {
        guard let last = items.popLast(), !items.isEmpty else { return }
        items[0] = last
        var index = 0
        while true {
            var largest = index
            for child in [2 * index + 1, 2 * index + 2] where child < items.count && items[child] > items[largest] {
                largest = child
            }
            if largest == index { return }
            items.swapAt(index, largest)
            index = largest
        }
    }
}
