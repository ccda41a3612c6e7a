/// The bytes from `start` up to, not including, `end` of a file.
package struct ByteRange: Sendable, Hashable {
    package let start: UInt64
    package let end: UInt64

    /// The range, empty if both ends are the same; nil if `end` is less than `start`.
    package init?(from start: UInt64, to end: UInt64) {
        guard start <= end else { return nil }
        self.start = start
        self.end = end
    }

    /// The range of `length` bytes from `start`; nil if its end doesn't fit into 64 bits.
    package init?(from start: UInt64, length: UInt64) {
        let (end, overflow) = start.addingReportingOverflow(length)
        guard !overflow else { return nil }
        self.start = start
        self.end = end
    }

    /// The first `length` bytes of a file.
    package init(first length: UInt64) {
        start = 0
        end = length
    }

    /// The number of bytes.
    package var length: UInt64 { end - start }
    /// True if it has no bytes.
    package var isEmpty: Bool { start == end }

    /// True if both have a byte in common.
    package func overlaps(_ other: ByteRange) -> Bool { max(start, other.start) < min(end, other.end) }
}
