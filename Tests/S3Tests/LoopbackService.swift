import Glibc
import Linux
import Synchronization
import Testing

/// A request that a `LoopbackService` has received. The names of headers are in lower case.
struct ReceivedRequest: Sendable {
    let method: String
    let target: String
    let headers: [String: String]
    let body: String
}

/// An answer of a `LoopbackService`.
struct ServiceReply: Sendable {
    var status = 200
    var body = ""
    /// Before the answer, in milliseconds.
    var delay: UInt32 = 0
    /// Adds this to the stated length, so that the answer ends too early.
    var missing = 0
}

/// A small HTTP service on a loopback port. It answers each request on a thread of its own, and closes the connection.
final class LoopbackService: Sendable {
    private let listener: LoopbackListener
    private let reply: @Sendable (ReceivedRequest) -> ServiceReply
    private let received = Lock<[ReceivedRequest]>([])
    private let threads = Lock<[Thread]>([])
    private let isStopped = Atomic(false)

    /// Runs a service during `work`.
    static func run<Result>(
        _ reply: @escaping @Sendable (ReceivedRequest) -> ServiceReply,
        _ work: (LoopbackService) throws -> Result
    ) throws -> Result {
        let service = try LoopbackService(reply)
        defer { service.stop() }
        return try work(service)
    }

    /// Calls `work` with a port to which the system accepts no connection: it drops their packets, because the queue of
    /// the listener is full.
    static func withoutAnswer<Result>(_ work: (UInt16) throws -> Result) throws -> Result {
        let listener = try LoopbackListener(backlog: 0)
        let waiting = (0..<4).map { _ in Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
        }
        defer { for connection in waiting { close(connection) } }
        for connection in waiting {
            LoopbackListener.withAddress(listener.port) { address, length in _ = connect(connection, address, length) }
        }
        return try work(listener.port)
    }

    private init(_ reply: @escaping @Sendable (ReceivedRequest) -> ServiceReply) throws {
        self.reply = reply
        listener = try LoopbackListener(backlog: 64)
        let accepting = try Thread { [self] in accept() }
        threads.withLock { $0.append(accepting) }
    }

    var port: UInt16 { listener.port }
    var url: String { "http://127.0.0.1:\(port)" }

    /// The requests so far, in the order in which they came.
    var requests: [ReceivedRequest] { received.withLock { $0 } }

    private func stop() {
        isStopped.store(true, ordering: .releasing)
        while let thread = threads.withLock({ $0.popLast() }) { thread.join() }
    }

    private func accept() {
        while !isStopped.load(ordering: .acquiring) {
            var poll = pollfd(fd: listener.socket.number, events: Int16(POLLIN), revents: 0)
            guard Glibc.poll(&poll, 1, 20) == 1 else { continue }
            let connection = Glibc.accept(listener.socket.number, nil, nil)
            guard connection >= 0 else { continue }
            guard let thread = try? Thread({ [self] in answer(connection) }) else {
                close(connection)
                continue
            }
            threads.withLock { $0.append(thread) }
        }
    }

    private func answer(_ connection: Int32) {
        defer { close(connection) }
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        guard let request = LoopbackService.read(connection) else { return }
        received.withLock { $0.append(request) }
        let reply = reply(request)
        usleep(reply.delay * 1000)
        let head = "HTTP/1.1 \(reply.status) Reply\r\nContent-Length: \(reply.body.utf8.count + reply.missing)\r\n"
        // An engine's answers have an ETag.
        let bytes = Array(
            "\(head)ETag: \"1\"\r\nConnection: close\r\n\r\n\(request.method == "HEAD" ? "" : reply.body)".utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    private static func read(_ connection: Int32) -> ReceivedRequest? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count < 1 << 20 {
            let text = String(decoding: bytes, as: UTF8.self)
            if let request = parse(text) { return request }
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            bytes += buffer[..<count]
        }
        return nil
    }

    /// Nil as long as the request is not complete.
    private static func parse(_ text: String) -> ReceivedRequest? {
        guard let end = text.firstRange(of: "\r\n\r\n") else { return nil }
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count == 3 else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let pair = line.split(separator: ":", maxSplits: 1)
            guard pair.count == 2 else { return nil }
            headers[pair[0].lowercased()] = String(pair[1].drop { $0 == " " })
        }
        let body = text[end.upperBound...]
        guard body.utf8.count >= headers["content-length"].flatMap({ Int($0) }) ?? 0 else { return nil }
        return ReceivedRequest(
            method: String(words[0]), target: String(words[1]), headers: headers, body: String(body))
    }
}

/// A socket that listens on a free loopback port.
private struct LoopbackListener: ~Copyable, Sendable {
    let socket: Descriptor
    let port: UInt16

    init(backlog: Int32) throws {
        socket = Descriptor(Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        let number = socket.number
        port = LoopbackListener.withAddress(0) { address, length in
            var length = length
            guard bind(number, address, length) == 0, listen(number, backlog) == 0,
                getsockname(number, address, &length) == 0
            else { return 0 }
            return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                UInt16(bigEndian: $0.pointee.sin_port)
            }
        }
        try #require(port != 0)
    }

    /// Calls `body` with the loopback address and a port.
    static func withAddress<Result>(_ port: UInt16, _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Result)
        -> Result
    {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = port.bigEndian
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
