import UploadModel

/// The cells of an upload: the ranges that become the parts of a multipart upload. All cells are equally long, except
/// that the last one is the rest: R2 demands that of parts, and S3 wants at least 5 MiB of each but the last, and at
/// most 10,000.
///
/// The first chunk of an upload decides the grid, and the claim records it. A chunk is cut along the grid, whatever its
/// own size: a piece that is a whole cell becomes a part at once, and any other piece waits in an object of its own
/// until its cell is complete. So one code serves every chunk size, and a client may return with another one.
struct Grid: Sendable, Equatable {
    /// The size of the file in bytes; at least 1.
    let size: UInt64
    /// The length of all cells but the last one, in bytes; at least 1.
    let cell: UInt64

    static let mostParts: UInt64 = 10_000
    /// The most chunks that a file may be cut into. Each has a record, and every request lists all records of its
    /// upload.
    static let mostChunks: UInt64 = 16_384

    /// The lengths of cells, in bytes. Tests have shorter ones.
    struct Lengths: Sendable {
        /// The shortest chunk that becomes a part by itself: S3 takes no shorter parts, except for the last one.
        var smallestPart: UInt64 = 5 << 20
        /// Smaller chunks are gathered in cells of about this length.
        var usual: UInt64 = 8 << 20
        /// The longest cell that is gathered from smaller chunks. A cell passes through a temporary file.
        var longestGathered: UInt64 = 256 << 20
        /// A client that states a larger chunk size cannot send such chunks: its file is cut as others are.
        var longestChunk: UInt64 = 1 << 30
    }

    /// The grid for a file that is sent in chunks of `chunkSize` bytes; nil if it would have too many chunks.
    init?(size: UInt64, chunkSize: UInt64, _ lengths: Lengths = Lengths()) {
        guard size > 0, chunkSize > 0 else { return nil }
        self.size = size
        let chunk = chunkSize > lengths.longestChunk ? 8 * lengths.usual : chunkSize
        let chunks = (size - 1) / chunk + 1
        guard chunks <= Grid.mostChunks else { return nil }
        if chunk >= lengths.smallestPart && chunks <= Grid.mostParts {
            cell = chunk
            return
        }
        let factor = max((lengths.usual - 1) / chunk + 1, (chunks - 1) / Grid.mostParts + 1)
        let (cell, overflow) = chunk.multipliedReportingOverflow(by: factor)
        guard !overflow, cell <= max(lengths.longestGathered, chunk) else { return nil }
        self.cell = cell
    }

    /// The grid that a claim records; nil if it cannot be one.
    init?(size: UInt64, cell: UInt64) {
        guard size > 0, cell > 0, (size - 1) / cell < Grid.mostParts else { return nil }
        self.size = size
        self.cell = cell
    }

    private init() {
        size = 1
        cell = 1
    }

    /// The grid of an upload that takes no chunks.
    static let none = Grid()

    /// The number of cells, 1 to 10,000.
    var count: Int { Int((size - 1) / cell) + 1 }

    /// The range of a cell.
    ///
    /// - Parameter index: from 0, less than `count`.
    func range(_ index: Int) -> ByteRange {
        let start = UInt64(index) * cell
        return ByteRange(from: start, to: min(start + cell, size)) ?? ByteRange(first: 0)
    }

    /// The cells that have a byte of `range`, which must lie inside of the file.
    func cells(of range: ByteRange) -> Range<Int> {
        guard !range.isEmpty, range.end <= size else { return 0..<0 }
        return Int(range.start / cell)..<Int((range.end - 1) / cell) + 1
    }

    /// The piece of `range` in a cell.
    func piece(of range: ByteRange, in index: Int) -> ByteRange {
        let own = self.range(index)
        return ByteRange(from: max(own.start, range.start), to: min(own.end, range.end)) ?? ByteRange(first: 0)
    }
}
