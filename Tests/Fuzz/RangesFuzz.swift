import UploadModel

/// A program of insertions and removals. The invariant: the set is equal to 64 bits that are set and cleared one by
/// one.
///
/// Each bit is a cell between two of the offsets in `edges`, at the start of a file and at the end of what 64 bits can
/// count. An operation has three bytes: its kind and two indices into `edges`.
func fuzzRanges(_ bytes: UnsafeRawBufferPointer) -> String? {
    var input = FuzzInput(bytes)
    var set = ByteRangeSet()
    var cells: UInt64 = 0
    while !input.isEmpty {
        let operation = input.byte()
        let (one, other) = (Int(input.byte() % 65), Int(input.byte() % 65))
        let (from, to) = (min(one, other), max(one, other))
        guard let range = ByteRange(from: edges[from], to: edges[to]) else { return "no range \(from) \(to)" }
        let mask = bits(from, to)
        switch operation % 4 {
        case 0, 1:
            set.insert(range)
            cells |= mask
        case 2:
            set.remove(range)
            cells &= ~mask
        default:
            if set.contains(range) != (cells & mask == mask) { return "contains \(range)" }
            let part = set.intersection(range)
            if part != runs(cells & mask) { return "the intersection with \(range) is \(part)" }
        }
        if set.ranges != runs(cells) { return "\(set.ranges) instead of \(runs(cells))" }
    }
    let count = runs(cells).map(\.length).reduce(0, +)
    return set.count == count ? nil : "\(set.count) bytes instead of \(count)"
}

/// The bounds of the cells.
private let edges: [UInt64] = (0...64).map { $0 <= 32 ? UInt64($0) : UInt64.max - UInt64(64 - $0) }

/// The bits from one place up to another.
private func bits(_ from: Int, _ to: Int) -> UInt64 {
    from == to ? 0 : (UInt64.max >> UInt64(64 - (to - from))) << UInt64(from)
}

/// The ranges of the set bits.
private func runs(_ cells: UInt64) -> [ByteRange] {
    var runs: [ByteRange] = []
    var rest = cells
    while rest != 0 {
        let from = rest.trailingZeroBitCount
        let to = from + (~(rest >> UInt64(from))).trailingZeroBitCount
        ByteRange(from: edges[from], to: edges[to]).map { runs.append($0) }
        rest &= ~bits(from, to)
    }
    return runs
}
