import HTTP

/// The body of a FastCGI request: the records of the stream FCGI_STDIN, up to the empty one (FastCGI 1.0, section 3.3).
struct FastCGIBody: RequestBody {
    private enum State {
        /// A record's head is next.
        case between
        /// So many bytes of content are next, then so many of padding.
        case record(content: Int, padding: Int)
        case ended
        case failed
    }

    /// Reads that can be so long go straight to where the bytes are wanted.
    private static let directBytes = 4096

    private let connection: Connection
    private let request: UInt16
    private let announced: UInt64?
    private var received: UInt64 = 0
    private var state = State.between

    /// - Parameters:
    ///   - request: the number that the web server has given the request.
    ///   - announced: how many bytes the web server says it has.
    init(_ connection: Connection, request: UInt16, announced: UInt64?) {
        self.connection = connection
        self.request = request
        self.announced = announced
    }

    /// A peer that goes away leaves the stream without its end, one that was cut off itself may end it too early: so both
    /// the end and the count are looked at.
    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BodyError) -> Int {
        while true {
            switch state {
            case .between:
                guard let head = RecordHead(connection.bytes) else {
                    if !connection.fill() { state = .failed }
                    continue
                }
                connection.drop(RecordHead.length)
                // ABORT_REQUEST, or what no web server sends here.
                guard head.version == RecordHead.version, head.kind == RecordHead.Kind.input, head.request == request
                else {
                    state = .failed
                    continue
                }
                state = head.content == 0 ? .ended : .record(content: head.content, padding: head.padding)
            case .record(0, 0):
                state = .between
            case .record(0, let padding):
                let count = min(padding, connection.bytes.count)
                connection.drop(count)
                state = .record(content: 0, padding: padding - count)
                if count == 0 && !connection.fill() { state = .failed }
            case .record(let content, let padding):
                let count = take(into: UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(content)))
                guard count > 0 else {
                    state = .failed
                    continue
                }
                state = .record(content: content - count, padding: padding)
                received += UInt64(count)
                return count
            case .ended where received >= announced ?? 0:
                return 0
            case .ended, .failed:
                throw .cutShort(received: received, announced: announced)
            }
        }
    }

    /// The next bytes; 0 if nothing comes any more.
    private func take(into room: UnsafeMutableRawBufferPointer) -> Int {
        if connection.bytes.isEmpty {
            if room.count >= FastCGIBody.directBytes { return connection.receive(into: room) }
            guard connection.fill() else { return 0 }
        }
        let count = min(room.count, connection.bytes.count)
        room.copyMemory(from: UnsafeRawBufferPointer(rebasing: connection.bytes[..<count]))
        connection.drop(count)
        return count
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
