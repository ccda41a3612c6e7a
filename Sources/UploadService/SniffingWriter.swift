import UploadModel
import UploadStore

/// The way of one chunk's bytes into the store. Where the file's first bytes are to be looked at, they are held back until
/// it is known what they are: no byte of a file that isn't accepted reaches the disk.
final class SniffingWriter {
    let chunk: ChunkRequest
    /// How many bytes have come.
    private(set) var received: UInt64 = 0
    private let store: any ChunkStore
    private let types: [TypePolicy]
    private let sniffer: ContentSniffer?
    private var writer: (any ChunkWriter)?
    /// What came so far, while it isn't enough to tell; nil once that is over.
    private var firstBytes: [UInt8]?

    /// - Throws: `RequestFailure`, if the store won't have the chunk.
    init(
        _ chunk: ChunkRequest, into store: any ChunkStore, _ settings: UploadSettings, _ permit: Permit
    ) throws(RequestFailure) {
        self.chunk = chunk
        self.store = store
        types = settings.types(permit)
        sniffer = settings.sniffer
        firstBytes = sniffer != nil && !types.isEmpty && chunk.isFirst ? [] : nil
        writer = try step({ RequestFailure($0) }, { () throws(StoreError) in try store.receive(chunk) })
    }

    /// Takes the next bytes.
    func write(_ bytes: UnsafeRawBufferPointer) throws(RequestFailure) {
        received += UInt64(bytes.count)
        try hand(bytes)
    }

    private func hand(_ bytes: UnsafeRawBufferPointer) throws(RequestFailure) {
        guard firstBytes == nil else {
            firstBytes?.append(contentsOf: bytes)
            if let count = firstBytes?.count, count >= ContentSniffer.wanted { try letThrough() }
            return
        }
        try step({ RequestFailure($0) }, { () throws(StoreError) in try writer?.write(bytes) })
    }

    /// Ends the chunk: it is held when this returns.
    func commit() throws(RequestFailure) -> Receipt {
        try letThrough()
        guard let writer else {
            throw RequestFailure(.retry("The chunk was cut short; please send it again", after: 1))
        }
        return try step({ RequestFailure($0) }, { () throws(StoreError) in try writer.commit() })
    }

    /// Looks at the first bytes, and writes them if they are of an accepted type.
    private func letThrough() throws(RequestFailure) {
        guard let bytes = firstBytes else { return }
        firstBytes = nil
        if let sniffer {
            let found = sniffer.look(at: bytes)
            let name = chunk.upload.filename
            for types in types
            where !types.acceptsContent(media: found.media, endings: found.endings, name: name) {
                // What other chunks have brought of it meanwhile goes, too. Best effort: the client is told to give the
                // file up, and what is left of it expires.
                writer = nil
                _ = try? store.remove(chunk.upload)
                throw RequestFailure(
                    .refused(
                        "The content of the file is of a type that is not accepted here (\(types))", because: .type))
            }
        }
        var failure: RequestFailure?
        bytes.withUnsafeBytes { bytes in
            do throws(RequestFailure) { try hand(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

extension ChunkRequest {
    /// True where the file's first bytes are in this chunk.
    fileprivate var isFirst: Bool { number == 1 }
}
