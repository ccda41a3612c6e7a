/// Where a chunk lies in its file, and how long it may be (PROTOCOL.md, Parameters, "Where a chunk lies").
///
/// Clients cut files in two ways. By default there are `max(floor(total / chunk), 1)` chunks and the last one includes
/// the remainder, so it has `chunk` to `2 * chunk - 1` bytes (or fewer, if it is the only one). With `forceChunkSize`
/// there are `ceil(total / chunk)` chunks and the last one is the remainder. One chunk of a file can be either: the one
/// that starts at the last multiple of the chunk size that a whole chunk fits behind. Its length decides: the one that
/// the client states, or that of its body.
package struct ChunkLayout: Sendable, Equatable {
    /// The offset of the chunk's first byte in the file.
    package let offset: UInt64
    /// The possible lengths, shortest first: one, or two if both ways of cutting are possible.
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
        // Only `forceChunkSize` leaves a short chunk behind another one, so its length is certain, too.
    }

    /// A place of known length.
    package init(offset: UInt64, length: UInt64) {
        self.offset = offset
        lengths = [length]
    }

    /// The same place with that length; nil if the length is not possible.
    package func settled(length: UInt64) -> ChunkLayout? {
        lengths.contains(length) ? ChunkLayout(offset: offset, length: length) : nil
    }

    /// The longest range that the chunk may cover. A test asks for it, and a writer locks it while the length is open.
    package var range: ByteRange {
        ByteRange(from: offset, length: lengths[lengths.count - 1]) ?? ByteRange(first: 0)
    }
}
