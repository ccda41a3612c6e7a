/// The memory that a request's body is read into, and the rules for it: where the next bytes go, and which bytes of the
/// chunk are written together. No I/O happens here.
///
/// Writes are cheap when they are large and end at multiples of one length (the stride) in the chunk. A write across
/// such a multiple lies in the kernel's page cache in smaller parts, which costs a tenth of the processor time. The
/// first bytes of a form's file arrive together with the fields before it. They stay in the buffer until the bytes that
/// follow them have been read behind them, so that both are one write.
struct ChunkBuffer {
    private enum Phase {
        /// Fields are expected; the chunk may begin anywhere.
        case fields
        /// The chunk's bytes are passed on with `pass`.
        case chunk
        /// Nothing is aligned: the chunk is over, or goes to a temporary file.
        case unaligned
    }

    /// Fields before a file are read in pieces of this many bytes, which is more than all of them usually have
    /// together.
    private static let fieldsPiece = 4096

    /// All of the memory. Using it for anything else discards the bytes that were read last.
    let memory: UnsafeMutableRawBufferPointer
    /// The length that writes are aligned to. The rest of the memory is for the fields before the chunk, where there is
    /// enough memory to spare that.
    let stride: Int
    private var phase = Phase.fields
    /// Where the bytes that were read last are.
    private var piece = 0..<0
    /// True while the chunk's first bytes may wait for those behind them.
    private var mayWait = false
    /// The chunk's first bytes while they wait.
    private var waiting: Range<Int>?
    /// How many bytes of the chunk were passed on.
    private var passed: UInt64 = 0

    init(_ memory: UnsafeMutableRawBufferPointer) {
        self.memory = memory
        let piece = ChunkBuffer.fieldsPiece
        stride = memory.count > 2 * piece ? memory.count - piece : memory.count
    }

    /// Where the next bytes of the body are to be read to.
    var target: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(rebasing: memory[targetRange]) }

    private var targetRange: Range<Int> {
        switch phase {
        case .fields:
            return 0..<min(ChunkBuffer.fieldsPiece, memory.count)
        case .chunk:
            guard let waiting else { return 0..<stride - Int(passed % UInt64(stride)) }
            return waiting.upperBound..<waiting.upperBound + stride - waiting.count
        case .unaligned:
            return 0..<stride
        }
    }

    /// Notes that `count` bytes were read into `target`.
    ///
    /// - Returns: these bytes. They stay there until the next bytes are read.
    mutating func filled(_ count: Int) -> UnsafeRawBufferPointer {
        let start = targetRange.lowerBound
        piece = start..<start + count
        return UnsafeRawBufferPointer(rebasing: memory[piece])
    }

    /// Begins a chunk whose bytes are passed on with `pass`.
    mutating func beginChunk() {
        phase = .chunk
        // Bytes of a chunk that began with the body are aligned as they are.
        mayWait = !piece.isEmpty && stride < memory.count
    }

    /// Says that the bytes to come need no alignment.
    mutating func endAlignment() { phase = .unaligned }

    /// Passes bytes of the chunk on to `write`, now or with the next bytes.
    ///
    /// - Parameter range: where they are in the bytes that were read last.
    mutating func pass<Failure: Error>(
        _ range: Range<Int>, to write: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let bytes = piece.lowerBound + range.lowerBound..<piece.lowerBound + range.upperBound
        if let first = waiting, first.upperBound == bytes.lowerBound {
            waiting = nil
            return try pass(at: first.lowerBound..<bytes.upperBound, to: write)
        }
        try passWaiting(to: write)
        if mayWait && bytes.upperBound == piece.upperBound {
            waiting = bytes
        } else {
            try pass(at: bytes, to: write)
        }
        mayWait = false
    }

    /// Passes bytes of the chunk on that are not in the buffer, behind those that wait.
    mutating func pass<Failure: Error>(
        outside bytes: UnsafeRawBufferPointer, to write: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        try passWaiting(to: write)
        mayWait = false
        passed += UInt64(bytes.count)
        try write(bytes)
    }

    /// Ends the chunk: bytes that wait are passed on.
    mutating func endChunk<Failure: Error>(
        to write: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        try passWaiting(to: write)
        phase = .unaligned
    }

    private mutating func passWaiting<Failure: Error>(
        to write: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        guard let first = waiting else { return }
        waiting = nil
        try pass(at: first, to: write)
    }

    private mutating func pass<Failure: Error>(
        at range: Range<Int>, to write: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        passed += UInt64(range.count)
        try write(UnsafeRawBufferPointer(rebasing: memory[range]))
    }
}
