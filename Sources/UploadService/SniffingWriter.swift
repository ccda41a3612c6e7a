import Linux
import UploadModel
import UploadStore

/// Writes one chunk to the store. Where the type of the file's first bytes is checked, it keeps them in memory until
/// their type is known, so that no byte of a file that isn't accepted reaches the disk.
final class SniffingWriter {
    let chunk: ChunkRequest
    private let store: any ChunkStore
    private let types: [TypePolicy]
    private let sniffer: ContentSniffer?
    private var writer: (any ChunkWriter)?
    /// The file's first bytes while there are too few to tell their type; nil once they have been checked.
    private var firstBytes: [UInt8]?

    /// - Parameters:
    ///   - types: the rules that the file's type must obey.
    ///   - sniffer: nil where the content isn't looked at.
    /// - Throws: `RequestFailure` if the store doesn't take the chunk.
    init(
        _ chunk: ChunkRequest, into store: any ChunkStore, types: [TypePolicy], sniffer: ContentSniffer?
    ) throws(RequestFailure) {
        self.chunk = chunk
        self.store = store
        self.types = types
        self.sniffer = sniffer
        firstBytes = sniffer != nil && !types.isEmpty && chunk.isFirst ? [] : nil
        writer = try step({ RequestFailure($0) }, { () throws(StoreError) in try store.receive(chunk) })
    }

    /// Takes the next bytes.
    func write(_ bytes: UnsafeRawBufferPointer) throws(RequestFailure) {
        guard firstBytes == nil else {
            firstBytes?.append(contentsOf: bytes)
            if let count = firstBytes?.count, count >= ContentSniffer.wanted { try checkFirstBytes() }
            return
        }
        try step({ RequestFailure($0) }, { () throws(StoreError) in try writer?.write(bytes) })
    }

    /// Ends the chunk: it is held when this returns.
    func commit() throws(RequestFailure) -> Receipt {
        try checkFirstBytes()
        guard let writer else {
            throw RequestFailure(.retry("The chunk was cut short; please send it again", after: 1))
        }
        return try step({ RequestFailure($0) }, { () throws(StoreError) in try writer.commit() })
    }

    /// Checks the type of the first bytes, and writes them if it is accepted.
    private func checkFirstBytes() throws(RequestFailure) {
        guard let bytes = firstBytes else { return }
        firstBytes = nil
        if let sniffer {
            let found = sniffer.look(at: bytes)
            let name = chunk.upload.filename
            for types in types
            where !types.acceptsContent(media: found.media, endings: found.endings, name: name) {
                // Other chunks of the file may be held already. Removing them is best effort: the client gives the file
                // up, and anything that is left of it expires.
                writer = nil
                _ = try? store.remove(chunk.upload)
                throw RequestFailure(
                    .refused(
                        "The content of the file is of a type that is not accepted here (\(types))", because: .type))
            }
        }
        try bytes.withBytes(write)
    }
}

extension ChunkRequest {
    /// True if the file's first bytes are in this chunk.
    fileprivate var isFirst: Bool { number == 1 }
}
