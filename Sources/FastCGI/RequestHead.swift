/// What a web server says before a request's body: BEGIN_REQUEST and the parameters (FastCGI 1.0, sections 5.1 and 5.2).
/// Bytes in, verdict out, no I/O.
///
/// libfcgi trusts its peer. It waits for parameters without a time-out, reserves memory for whatever length they state,
/// and answers a record of type GET_VALUES into 64 bytes of its stack, however long that answer gets (2.4.2). Nothing of
/// this can be reached through nginx, and all of it by whoever reaches the socket. So it only gets to see what has come
/// whole and is in order, written down anew (`written`): `Worker` reads the records before it and behind it itself.
struct RequestHead {
    /// How many bytes it may have. nginx hands on a request line and headers of 32 KiB together at most.
    static let maximumBytes = 128 << 10
    /// How many parameters it may have. nginx sends about 25, and one for each of the client's headers.
    static let maximumParameters = 1000

    enum Verdict: Equatable {
        /// So far it is in order.
        case incomplete
        /// It is whole, and this many bytes long.
        case whole(length: Int)
        /// It breaks the protocol, or a limit.
        case refused
    }

    /// The number that the web server has given the request.
    private(set) var request: UInt16 = 0
    private var parameters: [UInt8] = []
    /// Where the next record begins.
    private var position = 0

    /// Judges all bytes that have come so far.
    mutating func judge(_ bytes: UnsafeRawBufferPointer) -> Verdict {
        while let head = RecordHead(UnsafeRawBufferPointer(rebasing: bytes[position...])) {
            let start = position + RecordHead.length
            let end = start + head.content + head.padding
            guard head.version == RecordHead.version, end <= RequestHead.maximumBytes else { return .refused }
            let isFirst = position == 0
            // A responder has no use for any other record: connections are not shared (section 3.3 lets the program
            // decide), and what is about the connection, request 0, nobody has to answer here.
            guard head.kind == (isFirst ? RecordHead.Kind.begin : RecordHead.Kind.parameters),
                isFirst ? head.request != 0 && head.content == 8 : head.request == request
            else { return .refused }
            guard end <= bytes.count else { return .incomplete }
            position = end
            if isFirst {
                // The role of a responder (section 6.2).
                guard bytes[start] == 0, bytes[start + 1] == 1 else { return .refused }
                request = head.request
            } else if head.content == 0 {
                return RequestHead.arePairs(parameters) ? .whole(length: end) : .refused
            } else {
                parameters += bytes[start..<start + head.content]
            }
        }
        return .incomplete
    }

    /// The same in its plainest form. The web server's wish to keep the connection is left out: see `Responder`.
    var written: [UInt8] {
        var bytes = RecordHead.record(RecordHead.Kind.begin, request, [0, 1, 0, 0, 0, 0, 0, 0])
        var rest = parameters[...]
        while !rest.isEmpty {
            let piece = rest.prefix(RecordHead.largestContent)
            bytes += RecordHead.record(RecordHead.Kind.parameters, request, piece)
            rest = rest.dropFirst(piece.count)
        }
        return bytes + RecordHead.record(RecordHead.Kind.parameters, request, [])
    }

    /// True for whole name-value pairs that are not too many (section 3.4).
    private static func arePairs(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        var count = 0
        func length() -> Int? {
            guard let first = rest.popFirst() else { return nil }
            guard first >= 0x80 else { return Int(first) }
            let others = rest.prefix(3)
            guard others.count == 3 else { return nil }
            rest = rest.dropFirst(3)
            return others.reduce(Int(first & 0x7f)) { $0 << 8 | Int($1) }
        }
        while !rest.isEmpty {
            count += 1
            guard count <= maximumParameters, let name = length(), let value = length(), name + value <= rest.count
            else { return false }
            rest = rest.dropFirst(name + value)
        }
        return true
    }
}
