/// Where a chunk lies in its file, and how long it may be.
///
/// Clients cut files in two ways. By default there are `max(floor(total / chunk), 1)` chunks and the last takes the
/// rest with it, so it has `chunk` to `2 * chunk - 1` bytes (or fewer, if it is the only one). With `forceChunkSize`
/// there are `ceil(total / chunk)` and the last is the rest. One chunk of a file can be either: the one that starts
/// the last whole stretch. Its length settles which it is: the length the client states, or what its body has.
package struct ChunkLayout: Sendable, Equatable {
    /// Where the chunk's first byte lies.
    package let offset: UInt64
    /// The lengths that fit, shortest first: one, or two where both ways of cutting are possible.
    package let lengths: [UInt64]

    /// The place of chunk `number` (from 1) of a file of `total` bytes cut into chunks of `chunkSize` bytes.
    /// Nil if there is no such chunk.
    package init?(number: UInt64, chunkSize: UInt64, total: UInt64) {
        guard number >= 1, chunkSize >= 1 else { return nil }
        let (offset, overflow) = (number - 1).multipliedReportingOverflow(by: chunkSize)
        guard !overflow, offset < total || (offset == 0 && total == 0) else { return nil }
        let rest = total - offset
        self.offset = offset
        lengths =
            if rest <= chunkSize {
                [rest]
            } else if rest - chunkSize < chunkSize {
                [chunkSize, rest]
            } else {
                [chunkSize]
            }
        // A short rest with a chunk before it is only there where `forceChunkSize` cut; its length is the same.
    }

    /// A place that is known from elsewhere.
    package init(offset: UInt64, length: UInt64) {
        self.offset = offset
        lengths = [length]
    }

    /// The same place with the length settled; nil if that length doesn't fit.
    package func settled(length: UInt64) -> ChunkLayout? {
        lengths.contains(length) ? ChunkLayout(offset: offset, length: length) : nil
    }

    /// All that the chunk can cover: what a test asks for and what a writer claims while the length is open.
    package var range: ByteRange {
        ByteRange(from: offset, length: lengths[lengths.count - 1]) ?? ByteRange(first: 0)
    }
}
