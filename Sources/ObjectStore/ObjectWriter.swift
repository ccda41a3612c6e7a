import Linux
import UploadModel
import UploadStore

/// Takes a chunk into a file without a name, and stores it when it is whole.
final class ObjectWriter: ChunkWriter {
    private let store: ObjectStore
    private let chunk: ChunkRequest
    private let total: UInt64
    private let layout: ChunkLayout
    private let admitted: Look?
    private let scratch: Scratch

    /// - Parameter admitted: what was found of the upload, if the admission hook has agreed to it and it is not begun
    ///   yet.
    init(
        _ store: ObjectStore, _ chunk: ChunkRequest, total: UInt64, layout: ChunkLayout, admitted: Look?
    ) throws(StoreError) {
        self.store = store
        self.chunk = chunk
        self.total = total
        self.layout = layout
        self.admitted = admitted
        scratch = try Scratch(in: store.scratch, checksum: store.bucket.checksum, digestedLength: layout.range.length)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        let received = scratch.length + UInt64(bytes.count)
        guard received <= layout.range.length else {
            throw .wrongLength(received: received, lengths: layout.lengths)
        }
        try scratch.append(bytes)
    }

    func commit() throws(StoreError) -> Receipt {
        let received = scratch.length
        guard layout.lengths.contains(received), let range = ByteRange(from: layout.offset, length: received) else {
            if received < layout.lengths[0] { throw .tooShort(received: received, lengths: layout.lengths) }
            throw .wrongLength(received: received, lengths: layout.lengths)
        }
        let whole = WholeChunk(chunk: chunk, total: total, range: range, scratch: scratch)
        if let admitted {
            whole.isAdmitted = true
            // If the upload was begun since, its claim is there.
            if let receipt = try store.takeFirst(whole, admitted) { return receipt }
        }
        for _ in 0..<ObjectStore.maximumAttempts {
            if let receipt = try store.take(whole) { return receipt }
        }
        throw .busy
    }
}

/// A chunk that has arrived. Used by one thread.
final class WholeChunk {
    let chunk: ChunkRequest
    /// The size of the file in bytes.
    let total: UInt64
    let range: ByteRange
    /// Has the bytes of the chunk alone.
    let scratch: Scratch
    /// True if the admission hook has agreed to the upload, and the upload is not begun yet.
    var isAdmitted = false
    /// The path of the file, once this request has published it.
    var published: String?
    /// True once it was tried again because this host may write the upload's ledger.
    var hasLookedForWriter = false
    /// How often the engine has not known the multipart upload.
    var missingMultiparts = 0
    /// The blocks of its pieces.
    private var blocks: [ByteRange: BlockDigests] = [:]

    init(chunk: ChunkRequest, total: UInt64, range: ByteRange, scratch: Scratch) {
        self.chunk = chunk
        self.total = total
        self.range = range
        self.scratch = scratch
    }

    /// True if the file has no other bytes.
    var isFile: Bool { range.length == total }

    /// Where a piece lies in the scratch file.
    func place(of piece: ByteRange) -> ByteRange {
        ByteRange(from: piece.start - range.start, length: piece.length) ?? ByteRange(first: 0)
    }

    /// The digests of a piece's blocks. Their digest names the piece's bytes.
    func blocks(of piece: ByteRange) throws(StoreError) -> BlockDigests {
        if let known = blocks[piece] { return known }
        let digests = try scratch.blocks(place(of: piece))
        blocks[piece] = digests
        return digests
    }
}
