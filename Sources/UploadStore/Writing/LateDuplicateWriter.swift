import UploadModel

/// Takes a chunk of an upload that is finished already.
///
/// The chunk may be a late duplicate: its first answer was lost, or the same file is sent again. Then every byte is the
/// same as in the finished file, and the journal records that the range was confirmed. Or the chunk is the first
/// difference of another file under the same identity. Then a new upload begins (`LocalStore.supersede`), and takes
/// this chunk. Bytes are compared as they come, so nothing is kept or read twice.
final class LateDuplicateWriter: ChunkWriter {
    private let store: LocalStore
    private let upload: Upload
    private let chunk: ChunkRequest
    private let layout: ChunkLayout
    private let finished: any File
    private let checksum: Checksum
    private var scratch: [UInt8] = []
    private var received: UInt64 = 0
    /// The new upload's writer, from the first difference on.
    private var successor: (any ChunkWriter)?

    /// - Parameter finished: the finished file, which stands where the upload has put it.
    init(
        store: LocalStore, upload: Upload, chunk: ChunkRequest, layout: ChunkLayout, finished: any File
    ) throws(StoreError) {
        guard let checksum = Checksum() else { throw .noMemory }
        self.store = store
        self.upload = upload
        self.chunk = chunk
        self.layout = layout
        self.finished = finished
        self.checksum = checksum
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        if let successor { return try successor.write(bytes) }
        let before = received
        received += UInt64(bytes.count)
        guard received <= layout.range.length else {
            throw .wrongLength(received: received, lengths: layout.lengths)
        }
        checksum.update(bytes)
        let isSame = try onDisk { () throws(FileError) in
            try finished.hasBytes(bytes, at: layout.offset + before, scratch: &scratch)
        }
        if !isSame { try handOn(first: before).write(bytes) }
    }

    func commit() throws(StoreError) -> Receipt {
        if let successor { return try successor.commit() }
        guard layout.lengths.contains(received), let range = ByteRange(from: layout.offset, length: received) else {
            if received < layout.lengths[0] { throw .tooShort(received: received, lengths: layout.lengths) }
            throw .wrongLength(received: received, lengths: layout.lengths)
        }
        if try upload.confirm(range, checksum: checksum.value) { return Receipt(.duplicate) }
        // Another chunk has begun a new upload meanwhile: this one belongs to that.
        return try handOn(first: received).commit()
    }

    /// Begins the new upload, if no other chunk has, and gives it the chunk's first bytes: they are those of the
    /// finished file.
    private func handOn(first count: UInt64) throws(StoreError) -> any ChunkWriter {
        try store.supersede(upload, with: chunk, at: layout.offset)
        let writer = try store.writer(chunk, layout: layout)
        var position = layout.offset
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
        defer { buffer.deallocate() }
        while position < layout.offset + count {
            let wanted = Int(min(UInt64(buffer.count), layout.offset + count - position))
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
            // The site has cut the file since the bytes were compared: the client sends the chunk again.
            guard try onDisk({ () throws(FileError) in try finished.read(into: piece, at: position) }) == wanted
            else { throw .busy }
            try writer.write(UnsafeRawBufferPointer(piece))
            position += UInt64(wanted)
        }
        successor = writer
        return writer
    }
}

extension Upload {
    /// Records that a range of the finished file was sent again.
    ///
    /// - Returns: false if another upload has taken the finished one's place.
    func confirm(_ range: ByteRange, checksum: UInt64) throws(StoreError) -> Bool {
        var isFinished = false
        let isCurrent = try change { journal throws(FileError) in
            isFinished = journal.isPublished
            guard isFinished, !journal.confirmedRanges.contains(range) else { return }
            try journal.append([.held(range, checksum: checksum)])
        }
        return isCurrent && isFinished
    }
}
