import Linux
import UploadModel

// Chunks of clients that state only how many there are (PROTOCOL.md, Parameters). All chunks but the last have one
// size, which the first of them to arrive shows; the last begins where they end. So such a chunk is spooled until it is
// whole, and its length tells its offset. A last chunk that arrives before the chunk size is known is held far behind
// the file, and moved once it is known.

/// Takes a chunk whose offset follows from its length.
final class CountedWriter: ChunkWriter {
    private let store: LocalStore
    private let chunk: ChunkRequest
    private let spool: any Spool

    init(store: LocalStore, chunk: ChunkRequest) throws(StoreError) {
        self.store = store
        self.chunk = chunk
        try store.checkFloor(beforeWriting: 0)
        spool = try store.spool()
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        guard spool.length + UInt64(bytes.count) <= chunk.maximumFileSize else {
            throw .tooLarge(limit: chunk.maximumFileSize)
        }
        try spool.write(bytes)
    }

    func commit() throws(StoreError) -> Receipt {
        for _ in 0..<LocalStore.maximumAttempts {
            let upload = try store.begin(chunk)
            _ = try store.takeOver(upload, chunk)
            guard let place = try upload.place(of: chunk, length: spool.length) else { continue }
            let layout: ChunkLayout
            switch place {
            case .finished(let layout):
                if let receipt = try compare(with: upload, layout) { return receipt }
                continue
            case .settled(let settled): layout = settled
            }
            // The record of the last chunk is the one that gives the file its size, so the file can't be complete
            // without that chunk.
            let consequence: Consequence =
                layout.offset == Journal.tailOffset
                ? .tail(Tail(number: chunk.number, length: spool.length))
                : chunk.isLast ? .size(layout.range.end, releasing: nil) : .none
            let writer = try LocalWriter(
                store: store, upload: upload, layout: layout, metadata: chunk.metadata, client: chunk.clientKey,
                consequence: consequence)
            guard let writer else { continue }
            try withCopyBuffer { buffer throws(StoreError) in try spool.replay(to: writer, through: buffer) }
            let receipt = try writer.commit()
            if case .completed = receipt.effect { return receipt }
            guard let path = try store.placeTail(of: upload) else { return receipt }
            return Receipt(.completed(path: path))
        }
        throw .busy
    }

    /// Compares the chunk with a finished upload; nil if it is another file's, for which a new upload was begun.
    private func compare(with upload: Upload, _ layout: ChunkLayout?) throws(StoreError) -> Receipt? {
        if let layout, layout.lengths == [spool.length], let finished = try store.openFinished(upload) {
            guard let checksum = Checksum() else { throw .noMemory }
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
            defer { buffer.deallocate() }
            var position = layout.offset
            var scratch: [UInt8] = []
            var isSame = true
            try spool.replay(through: buffer, failing: { $0 }) { bytes throws(StoreError) in
                checksum.update(bytes)
                if isSame {
                    isSame = try onDisk { () throws(FileError) in
                        try finished.hasBytes(bytes, at: position, scratch: &scratch)
                    }
                }
                position += UInt64(bytes.count)
            }
            if isSame, try upload.confirm(layout.range, checksum: checksum.value) { return Receipt(.duplicate) }
        }
        let isCutAlike = try upload.look { [length = spool.length, chunk] journal in
            guard let chunkSize = journal.chunkSize else { return true }
            return chunk.isLast ? chunk.number == 1 || length < 2 * chunkSize : length == chunkSize
        }
        try store.supersede(upload, with: chunk, at: isCutAlike == true ? layout?.offset ?? 0 : nil)
        return nil
    }
}

private enum CountedPlace {
    /// The upload is finished: where a chunk of this number lies in it, if there is one.
    case finished(ChunkLayout?)
    case settled(ChunkLayout)
}

extension ChunkRequest {
    /// True for the last chunk of a client that states only their number.
    fileprivate var isLast: Bool { place == .counted(chunks: number) }
}

extension Upload {
    /// The offset and length of a chunk of that length. Nil if the upload was removed meanwhile.
    ///
    /// - Throws: `StoreError.wrongLength` if the length contradicts the known sizes, or `.tooLarge`.
    fileprivate func place(of chunk: ChunkRequest, length: UInt64) throws(StoreError) -> CountedPlace? {
        if !chunk.isLast {
            guard length > 0 else { throw .tooShort(received: 0, lengths: [1]) }
            _ = try change { journal throws(FileError) in
                if journal.chunkSize == nil { try journal.append([.chunkSize(length)]) }
            }
        }
        guard let known = try look({ (published: $0.isPublished, size: $0.size, chunkSize: $0.chunkSize) }) else {
            return nil
        }
        if known.published {
            guard let size = known.size else { return .finished(nil) }
            let (offset, overflow) = (chunk.number - 1).multipliedReportingOverflow(by: known.chunkSize ?? size)
            guard !overflow, offset < size || chunk.number == 1 else { return .finished(nil) }
            let end = chunk.isLast ? size : offset + (known.chunkSize ?? size)
            guard end <= size else { return .finished(nil) }
            return .finished(ChunkLayout(offset: offset, length: end - offset))
        }
        var offset: UInt64 = 0
        if chunk.number > 1 {
            guard let chunkSize = known.chunkSize else {
                return .settled(ChunkLayout(offset: Journal.tailOffset, length: length))
            }
            guard chunk.isLast ? length < 2 * chunkSize : length == chunkSize else {
                throw .wrongLength(received: length, lengths: [chunkSize])
            }
            let (product, overflow) = (chunk.number - 1).multipliedReportingOverflow(by: chunkSize)
            guard !overflow else { throw .tooLarge(limit: chunk.maximumFileSize) }
            offset = product
        } else if !chunk.isLast, let chunkSize = known.chunkSize, chunkSize != length {
            throw .wrongLength(received: length, lengths: [chunkSize])
        }
        let (end, overflow) = offset.addingReportingOverflow(length)
        guard !overflow, end <= min(chunk.maximumFileSize, Journal.tailOffset) else {
            throw .tooLarge(limit: min(chunk.maximumFileSize, Journal.tailOffset))
        }
        if let size = known.size, chunk.isLast ? end != size : end > size {
            throw .wrongLength(received: length, lengths: [size > offset ? size - offset : 0])
        }
        return .settled(ChunkLayout(offset: offset, length: length))
    }
}

extension LocalStore {
    /// Moves a last chunk from far behind the file to its offset, if that is known.
    ///
    /// - Returns: the file's path, if that made it complete.
    @discardableResult
    func placeTail(of upload: Upload) throws(StoreError) -> String? {
        guard let (tail, chunkSize) = try upload.look({ ($0.tail, $0.chunkSize) }), let tail, let chunkSize,
            let waiting = tail.range,
            let file = try openData(of: upload)
        else { return nil }
        let (offset, overflow) = (tail.number - 1).multipliedReportingOverflow(by: chunkSize)
        guard !overflow, let target = ByteRange(from: offset, length: waiting.length),
            target.end <= Journal.tailOffset
        else { return nil }
        let layout = ChunkLayout(offset: target.start, length: target.length)
        let writer = try LocalWriter(
            store: self, upload: upload, layout: layout, metadata: Metadata(), client: "",
            consequence: .size(target.end, releasing: waiting))
        guard let writer else { return nil }
        // The lock keeps other writers from replacing the bytes while they are read.
        guard
            try onDisk({ () throws(FileError) in
                try file.lock(offset: waiting.start, length: waiting.length, wait: false)
            }), try upload.look({ $0.tail == tail && $0.held.contains(waiting) }) == true
        else { throw .busy }
        let isWhole = try withCopyBuffer { buffer throws(StoreError) in
            var position = waiting.start
            while position < waiting.end {
                let wanted = Int(min(UInt64(buffer.count), waiting.end - position))
                let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
                let count = try onDisk { () throws(FileError) in try file.read(into: piece, at: position) }
                guard count == wanted else { return false }
                try writer.write(UnsafeRawBufferPointer(piece))
                position += UInt64(count)
            }
            return true
        }
        guard isWhole else {
            // The file was truncated by another program. The client has to send the chunk again.
            _ = try upload.change { journal throws(FileError) in try journal.append([.lost(waiting)]) }
            return nil
        }
        file.unlock(offset: waiting.start, length: waiting.length)
        guard case .completed(let path) = try writer.commit().effect else { return nil }
        return path
    }
}
