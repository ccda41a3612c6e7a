import HTTP
import UploadModel
import UploadStore

/// Takes a request's body piece by piece, and commits the chunk in it at the end.
protocol BodyReceiver {
    /// The memory that the body is read into.
    var buffer: ChunkBuffer { get set }

    /// Takes the bytes that were read last.
    mutating func take(_ bytes: UnsafeRawBufferPointer) throws(RequestFailure)

    /// Ends the body: the chunk is held when this returns.
    mutating func finish() throws(RequestFailure) -> Receipt
}

/// Takes a body that is the chunk itself, with all parameters in the query (PROTOCOL.md, Requests).
struct OctetReceiver: BodyReceiver {
    var buffer: ChunkBuffer
    private let writer: SniffingWriter

    /// - Parameter parameters: those of the query.
    /// - Throws: `RequestFailure` if the chunk is not admitted.
    init(
        _ request: Request, parameters: Parameters, admission: ChunkAdmission, buffer: ChunkBuffer
    ) throws(RequestFailure) {
        let permit = try admission.permit(for: request, parameters)
        writer = try admission.writer(for: parameters, permit, of: request)
        self.buffer = buffer
        self.buffer.beginChunk()
    }

    mutating func take(_ bytes: UnsafeRawBufferPointer) throws(RequestFailure) {
        try buffer.pass(0..<bytes.count, to: writer.write)
    }

    mutating func finish() throws(RequestFailure) -> Receipt { try writer.commit() }
}
