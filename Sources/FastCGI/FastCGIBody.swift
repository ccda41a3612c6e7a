import CFastCGI
import HTTP

/// The body of a FastCGI request: the stream FCGI_STDIN.
struct FastCGIBody: RequestBody {
    private let stream: UnsafeMutablePointer<FCGX_Stream>
    private let announced: UInt64?
    private var received: UInt64 = 0

    init(_ stream: UnsafeMutablePointer<FCGX_Stream>, announced: UInt64?) {
        self.stream = stream
        self.announced = announced
    }

    /// libfcgi reports a peer that went away as the end of the stream with an error set, and a body that was cut off
    /// cleanly as a plain end: so both the error and the count are looked at.
    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BodyError) -> Int {
        let room = Int32(clamping: buffer.count)
        let count = FCGX_GetStr(buffer.assumingMemoryBound(to: CChar.self).baseAddress, room, stream)
        if count > 0 {
            received += UInt64(count)
            return Int(count)
        }
        guard FCGX_GetError(stream) == 0, received >= announced ?? 0 else {
            throw .cutShort(received: received, announced: announced)
        }
        return 0
    }

    /// Throws away what is left, up to `limit` bytes. A web server that is still sending when it is answered may take
    /// that for an error.
    mutating func drain(through buffer: UnsafeMutableRawBufferPointer, limit: UInt64) {
        let start = received
        while received - start < limit {
            guard let count = try? read(into: buffer), count > 0 else { return }
        }
    }
}
