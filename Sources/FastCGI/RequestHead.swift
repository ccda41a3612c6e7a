/// The records before a request's body: BEGIN_REQUEST and the parameters (FastCGI 1.0, sections 5.1 and 5.2). Bytes in,
/// verdict out, no I/O.
///
/// libfcgi trusts its peer. It waits for parameters without a time-out, allocates whatever length they state, and
/// writes the answer to a GET_VALUES record into 64 bytes on its stack, however long that answer gets (2.4.2). None of
/// this is reachable through nginx, but all of it is for a process that reaches the socket. So libfcgi sees a request
/// head only once it is complete and valid, and in a new encoding (`encoded`). `Worker` reads the connection itself.
struct RequestHead {
    /// The longest request head in bytes. nginx passes on a request line and headers of at most 32 KiB together.
    static let maximumBytes = 128 << 10
    /// The most parameters. nginx sends about 25, and one for each of the client's headers.
    static let maximumParameters = 1000

    enum Verdict: Equatable {
        /// It is valid so far.
        case incomplete
        /// It is complete and has this many bytes.
        case whole(length: Int)
        /// It breaks the protocol or exceeds a limit.
        case refused
    }

    /// The request's number in the records.
    private(set) var request: UInt16 = 0
    private var parameters: [UInt8] = []
    /// The offset of the next record.
    private var position = 0

    /// Judges all bytes that have been read so far.
    mutating func judge(_ bytes: UnsafeRawBufferPointer) -> Verdict {
        while let head = RecordHead(UnsafeRawBufferPointer(rebasing: bytes[position...])) {
            let start = position + RecordHead.length
            let end = start + head.content + head.padding
            guard head.version == RecordHead.version, end <= RequestHead.maximumBytes else { return .refused }
            let isFirst = position == 0
            // A responder needs no other records: it doesn't multiplex connections (section 3.3 leaves that to the
            // program) and doesn't answer management records, those of request 0.
            guard head.kind == (isFirst ? RecordHead.Kind.begin : RecordHead.Kind.parameters),
                isFirst ? head.request != 0 && head.content == 8 : head.request == request
            else { return .refused }
            guard end <= bytes.count else { return .incomplete }
            position = end
            if isFirst {
                // The role must be that of a responder (section 6.2).
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

    /// The same request head in its plainest encoding. The flag that keeps the connection open is left out: see
    /// `Responder`.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(parameters.count + 5 * RecordHead.length)
        RecordHead.append(RecordHead.Kind.begin, request, [0, 1, 0, 0, 0, 0, 0, 0], to: &bytes)
        var rest = parameters[...]
        while !rest.isEmpty {
            let piece = rest.prefix(RecordHead.largestContent)
            RecordHead.append(RecordHead.Kind.parameters, request, piece, to: &bytes)
            rest = rest.dropFirst(piece.count)
        }
        RecordHead.append(RecordHead.Kind.parameters, request, [], to: &bytes)
        return bytes
    }

    /// True for complete name-value pairs (section 3.4) within the limit.
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
