import FastCGI
import HTTP
import TestSupport
import Testing

// Peers that no web server is, straight on the socket (FastCGI specification 1.0, sections 3 to 5). Whatever they do,
// the one thread serves the next one.

@Suite("Peers that break the protocol")
struct HostilePeerTests {
    /// A record, true or not.
    private static func record(_ type: UInt8, _ content: [UInt8], request: UInt8 = 1, version: UInt8 = 1) -> [UInt8] {
        [version, type, 0, request, UInt8(content.count >> 8), UInt8(content.count & 255), 0, 0] + content
    }

    private static let begin = record(1, [0, 1, 0, 0, 0, 0, 0, 0])
    private static let parameters = record(4, [14, 3] + Array("REQUEST_METHODGET".utf8))
    private static let end = record(4, [])
    /// Asks ten times for a value, whose ten answers would not fit in libfcgi's buffer of 64 bytes (section 4.1).
    private static let values = record(
        9, Array((0..<10).flatMap { _ in [14, 0] + Array("FCGI_MAX_CONNS".utf8) }), request: 0)

    static let attempts: [(name: String, bytes: [UInt8])] = [
        ("noise", [UInt8](repeating: 0x41, count: 5000)),
        ("another version", record(1, [0, 1, 0, 0, 0, 0, 0, 0], version: 2)),
        ("another role", record(1, [0, 2, 0, 0, 0, 0, 0, 0]) + parameters + end),
        ("no beginning", parameters + end),
        ("two beginnings", begin + begin),
        ("a request without a number", record(1, [0, 1, 0, 0, 0, 0, 0, 0], request: 0)),
        ("parameters of another request", begin + record(4, [1, 1, 65, 66], request: 2)),
        ("a body before the parameters' end", begin + parameters + record(5, [1])),
        ("values that don't fit into their answer", values),
        ("the same in the middle of parameters", begin + parameters + values),
        ("a pair that ends too early", begin + record(4, [200, 0]) + end),
        ("a pair with another length than it has", begin + record(4, [9, 1, 65, 66]) + end),
        ("a pair of two gigabytes", begin + record(4, [255, 255, 255, 255, 255, 255, 255, 255, 65]) + end),
        ("more parameters than anybody has", begin + record(4, [UInt8](repeating: 0, count: 2002)) + end),
        ("parameters without an end", begin + (0..<3).flatMap { _ in record(4, [UInt8](repeating: 0, count: 65_000)) }),
    ]

    @Test(
        "a connection that breaks the protocol before the body is closed at once, without calling the handler",
        arguments: attempts)
    func refused(_ attempt: (name: String, bytes: [UInt8])) throws {
        let echo = Echo()
        try withResponder(threads: 1, echo) { _, path in
            let client = try Client(path)
            // The connection may be gone before all is sent.
            try? client.send(attempt.bytes)
            #expect(client.isHungUpOn)
            #expect(echo.bodies.isEmpty)
            try expectServed(path)
        }
    }

    static let bodies: [(name: String, bytes: [UInt8])] = [
        ("an end of the connection", []), ("values", values), ("parameters", parameters),
        ("another request's body", record(5, [1], request: 2)), ("an abort", record(2, [])),
        ("noise", [UInt8](repeating: 0x41, count: 5000)),
    ]

    @Test("other records in place of the body cut it short, and the thread serves the next request", arguments: bodies)
    func cutShort(_ attempt: (name: String, bytes: [UInt8])) throws {
        let echo = Echo()
        try withResponder(threads: 1, echo) { _, path in
            let client = try Client(path)
            try client.send(Self.begin + Self.parameters + Self.end + Self.record(5, [7, 7]) + attempt.bytes)
            try client.finishSending()
            _ = try? client.answer()
            #expect(echo.bodies == [[7, 7]])
            #expect(echo.errors == [.cutShort(received: 2, announced: nil)])
            try expectServed(path)
        }
    }

    @Test("a request that comes byte by byte is served, if it comes in time")
    func dripping() throws {
        let echo = Echo()
        try withResponder(threads: 1, echo) { _, path in
            let client = try Client(path)
            let request = Self.begin + Self.parameters + Self.end + Self.record(5, [7, 8, 9]) + Self.record(5, [])
            for byte in request { try client.send([byte]) }
            #expect(try client.answer().head.first == "Status: 200 OK")
            #expect(echo.bodies == [[7, 8, 9]])
        }
    }

    @Test("a body comes as it was sent, however lengths and paddings change", arguments: 0..<24)
    func changing(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var (body, stream): ([UInt8], [UInt8]) = ([], [])
        while body.count < 1_000_000 {
            let length = [1, 300, 8184, 32768, 32768, 65535].randomElement(using: &random) ?? 1
            let padding = [0, 0, 0, 7, 255].randomElement(using: &random) ?? 0
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                let content = (0..<length).map { UInt8(truncatingIfNeeded: ($0 &+ body.count) &* 31 >> 3) }
                var record = Self.record(5, content)
                record[6] = UInt8(padding)
                body += content
                stream += record + [UInt8](repeating: 0xee, count: padding)
            }
        }
        stream += Self.record(5, [])
        let echo = Echo()
        try withResponder(threads: 1, echo) { _, path in
            let client = try Client(path)
            try client.send(Self.begin + Self.parameters + Self.end)
            var rest = stream[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...100_000, using: &random))
                try client.send(Array(piece))
                rest = rest.dropFirst(piece.count)
            }
            #expect(try client.answer().appStatus == 0)
            // Not shown when they differ: they are too long for that.
            let isSame = echo.bodies == [body]
            #expect(isSame)
        }
    }

    @Test("padding may stand behind every record", arguments: [1, 7, 255] as [UInt8])
    func padding(_ count: UInt8) throws {
        let echo = Echo()
        try withResponder(threads: 1, echo) { _, path in
            let client = try Client(path)
            let records = [
                Self.begin, Self.parameters, Self.end, Self.record(5, [1, 2]), Self.record(5, [3]), Self.record(5, []),
            ]
            for var record in records {
                record[6] = count
                try client.send(record + [UInt8](repeating: 0xee, count: Int(count)))
            }
            #expect(try client.answer().appStatus == 0)
            #expect(echo.bodies == [[1, 2, 3]])
        }
    }

    @Test("a silent or stalled connection holds its thread for a few seconds only")
    func silent() throws {
        try withResponder(threads: 1, Echo()) { _, path in
            for bytes in [[], Self.begin, Self.begin + Self.parameters] {
                let client = try Client(path)
                try client.send(bytes)
                #expect(client.isHungUpOn)
            }
            try expectServed(path)
        }
    }

    @Test("a peer that stalls in the parameters doesn't keep the responder from stopping")
    func stopInRequestHead() throws {
        try withResponder(threads: 1, Echo()) { responder, path in
            let client = try Client(path)
            try client.send(Self.begin)
            // One thread: it is at this connection when it serves no other for a moment.
            #expect(!wait(seconds: 0.3) { client.isHungUpOn(within: 0) })
            let duration = seconds { #expect(responder.stop(within: 20) == 0) }
            // The time limit of the parameters is five seconds.
            #expect(duration < 4)
        }
    }

    private func expectServed(_ path: String) throws {
        let client = try Client(path)
        try client.request(["REQUEST_METHOD": "GET", "DOCUMENT_URI": "/next"])
        #expect(try client.answer().body.hasPrefix("get\n/next\n"))
    }
}
