import Glibc

/// A web server's side of FastCGI, by the byte (FastCGI specification 1.0, sections 3 and 8). It can break off where a
/// web server would not. No call waits longer than `patience`.
final class Client {
    private static let patience = 15
    private var socket: Int32

    /// The response to a request.
    struct Answer {
        var output: [UInt8] = []
        var appStatus: UInt32?
        var protocolStatus: UInt8?
        /// True if the connection was closed behind the answer.
        var closed = false

        /// The lines before the empty one.
        var head: [String] { parts.head.split(separator: "\r\n").map(String.init) }
        var body: String { parts.body }

        private var parts: (head: String, body: String) {
            let end = Array("\r\n\r\n".utf8)
            let position = output.indices.first { output[$0...].starts(with: end) } ?? output.endIndex
            return (
                String(decoding: output[..<position], as: UTF8.self),
                String(decoding: output[position...].dropFirst(4), as: UTF8.self)
            )
        }
    }

    /// Connects to a socket.
    init(_ path: String) throws {
        socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw Failure("socket: \(errno)") }
        var time = timeval(tv_sec: Client.patience, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(socket, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        guard withSocketAddress(path, { connect(socket, $0, $1) }) == 0 else { throw Failure("connect: \(errno)") }
    }

    deinit { hangUp() }

    /// Closes the connection, once.
    private func hangUp() {
        if socket >= 0 { close(socket) }
        socket = -1
    }

    /// FCGI_BEGIN_REQUEST with the role of a responder.
    func begin(keepConnection: Bool = false) throws {
        try send(type: 1, [0, 1, keepConnection ? 1 : 0, 0, 0, 0, 0, 0])
    }

    /// FCGI_PARAMS with these pairs, and the stream's end.
    func parameters(_ pairs: KeyValuePairs<String, String>) throws {
        var bytes: [UInt8] = []
        for (name, value) in pairs {
            bytes += Client.length(name.utf8.count) + Client.length(value.utf8.count) + name.utf8 + value.utf8
        }
        try send(type: 4, bytes)
        try send(type: 4, [])
    }

    /// FCGI_STDIN with these bytes, in records of at most `size`; without bytes, the stream's end.
    func input(_ bytes: [UInt8], recordSize size: Int = 65535) throws {
        if bytes.isEmpty { return try send(type: 5, []) }
        var start = 0
        while start < bytes.count {
            try send(type: 5, Array(bytes[start..<min(start + size, bytes.count)]))
            start += size
        }
    }

    /// A whole request.
    func request(
        _ pairs: KeyValuePairs<String, String>, body: [UInt8] = [], recordSize: Int = 65535,
        keepConnection: Bool = false
    ) throws {
        try begin(keepConnection: keepConnection)
        try parameters(pairs)
        if !body.isEmpty { try input(body, recordSize: recordSize) }
        try input([])
    }

    /// Reads records up to the end of the request and then to the end of the connection, and closes it on this side
    /// too, as a web server does.
    func answer() throws -> Answer {
        var answer = Answer()
        while let header = try receive(8) {
            let length = Int(header[4]) << 8 | Int(header[5])
            guard let content = try receive(length + Int(header[6])) else { throw Failure("cut off in a record") }
            switch header[1] {
            case 6:
                answer.output += content[..<length]
            case 3:
                answer.appStatus = content[..<4].reduce(0) { $0 << 8 | UInt32($1) }
                answer.protocolStatus = content[4]
            default:
                throw Failure("a record of type \(header[1])")
            }
        }
        answer.closed = true
        hangUp()
        return answer
    }

    /// Sends bytes as they are.
    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure("send: \(errno)") }
            sent += count
        }
    }

    /// Says that nothing more will be sent; answers can still come.
    func finishSending() throws {
        guard shutdown(socket, Int32(SHUT_WR)) == 0 else { throw Failure("shutdown: \(errno)") }
    }

    /// Waits for the other side to close the connection without a word. False if it says something, or nothing in time.
    var isHungUpOn: Bool { isHungUpOn(within: Client.patience) }

    /// The same with another patience, in seconds.
    func isHungUpOn(within patience: Int) -> Bool {
        var waiting = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, Int32(1000 * patience)) == 1 else { return false }
        var byte: UInt8 = 0
        let count = recv(socket, &byte, 1, 0)
        return count == 0 || (count < 0 && errno == ECONNRESET)
    }

    private func send(type: UInt8, _ content: [UInt8]) throws {
        // Padding to a multiple of 8, as the specification recommends.
        let padding = (8 - content.count % 8) % 8
        let header: [UInt8] = [
            1, type, 0, 1, UInt8(content.count >> 8), UInt8(content.count & 255), UInt8(padding), 0,
        ]
        try send(header + content + [UInt8](repeating: 0, count: padding))
    }

    private static func length(_ count: Int) -> [UInt8] {
        count < 128
            ? [UInt8(count)]
            : [UInt8(count >> 24) | 128, UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255)]
    }

    /// That many bytes; nil if the connection ends before the first.
    private func receive(_ count: Int) throws -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var received = 0
        while received < count {
            let more = bytes[received...].withUnsafeMutableBytes { recv(socket, $0.baseAddress, $0.count, 0) }
            guard more >= 0 else { throw Failure("no answer: \(errno)") }
            if more == 0 {
                guard received == 0 else { throw Failure("cut off in a record") }
                return nil
            }
            received += more
        }
        return bytes
    }
}

/// Calls with the address of a Unix socket.
func withSocketAddress(_ path: String, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            call($0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
}
