import FastCGI
import Glibc
import HTTP
import Linux
import Testing

/// The real responder on a real socket, and a web server's side of the protocol written out in the test.
@Suite("The FastCGI responder", .serialized)
struct FastCGIDoor {
    /// The meta-variables (RFC 3875, section 4.1) that nginx sets and this program reads.
    private func post(_ path: String = "/resumable_upload", length: Int) -> KeyValuePairs<String, String> {
        [
            "REQUEST_METHOD": "POST", "DOCUMENT_URI": path, "QUERY_STRING": "a=1&b=%20",
            "CONTENT_TYPE": "application/octet-stream", "CONTENT_LENGTH": "\(length)", "REQUEST_ID": "id7",
        ]
    }

    private let get: KeyValuePairs<String, String> = [
        "REQUEST_METHOD": "GET", "DOCUMENT_URI": "/a b", "QUERY_STRING": "", "CONTENT_TYPE": "", "CONTENT_LENGTH": "",
        "HTTP_ACCEPT": "application/json",
    ]

    private func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
    }

    @Test("a request goes in and its answer comes out, as CGI has it")
    func roundTrip() throws {
        try withResponder(threads: 1, Echo()) { _, path in
            let client = try Client(path)
            try client.request(get)
            let answer = try client.answer()
            #expect(answer.head.first?.hasPrefix("Status: 200") == true)
            #expect(answer.head.contains("X-Test: yes"))
            #expect(answer.body == "get\n/a b\n\n-\n-\napplication/json\n\n0\ntrue")
            #expect(answer.head.contains("Content-Length: \(answer.body.utf8.count)"))
            #expect(answer.appStatus == 0)
            #expect(answer.protocolStatus == 0)
            #expect(answer.closed)
        }
    }

    @Test("other status codes stand in the answer's head")
    func statusLine() throws {
        try withResponder(threads: 1, Echo()) { _, path in
            let client = try Client(path)
            try client.request(["REQUEST_METHOD": "GET", "DOCUMENT_URI": "/missing"])
            #expect(try client.answer().head.first?.hasPrefix("Status: 404") == true)
        }
    }

    @Test("a body comes byte by byte as it was sent, however it was cut into records", arguments: [1, 7, 8191, 65535])
    func bodies(_ recordSize: Int) throws {
        let echo = Echo()
        let body = bytes(recordSize < 10 ? 3000 : 1_000_000)
        try withResponder(threads: 1, echo) { _, path in
            let client = try Client(path)
            try client.request(post(length: body.count), body: body, recordSize: recordSize)
            let answer = try client.answer()
            #expect(
                answer.body
                    == "post\n/resumable_upload\na=1&b=%20\napplication/octet-stream\n\(body.count)\n-\nid7\n\(body.count)\ntrue"
            )
        }
        #expect(echo.bodies == [body])
        #expect(echo.errors.isEmpty)
    }

    @Test("names and values longer than 127 bytes come through")
    func longParameters() throws {
        try withResponder(threads: 1, Echo()) { _, path in
            let client = try Client(path)
            let query = "q=" + String(repeating: "x", count: 20_000)
            try client.request([
                "REQUEST_METHOD": "GET", "DOCUMENT_URI": "/", String(repeating: "N", count: 300): "v",
                "QUERY_STRING": query,
            ])
            #expect(try client.answer().body.split(separator: "\n").contains(query[...]))
        }
    }

    @Test("the answer to HEAD has the head of the answer to GET, and no body")
    func head() throws {
        try withResponder(threads: 1, Echo()) { _, path in
            let client = try Client(path)
            try client.request(["REQUEST_METHOD": "HEAD", "DOCUMENT_URI": "/h"])
            let answer = try client.answer()
            #expect(answer.head.first?.hasPrefix("Status: 200") == true)
            #expect(answer.head.contains("X-Test: yes"))
            #expect(answer.body.isEmpty)
        }
    }

    @Test("an unknown method arrives by its name")
    func otherMethod() throws {
        try withResponder(threads: 1, Echo()) { _, path in
            let client = try Client(path)
            try client.request(["REQUEST_METHOD": "BREW", "DOCUMENT_URI": "/pot"])
            #expect(try client.answer().body.hasPrefix("other(\"BREW\")\n/pot\n"))
        }
    }

    @Test("a body is cut short if the web server goes away")
    func brokenOff() throws {
        let echo = Echo()
        try withResponder(threads: 1, echo) { _, path in
            do {
                let client = try Client(path)
                try client.begin()
                try client.parameters(post(length: 1000))
                try client.input(bytes(300))
            }
            #expect(wait { !echo.errors.isEmpty })
        }
        #expect(echo.errors == [.cutShort(received: 300, announced: 1000)])
        #expect(echo.bodies == [bytes(300)])
    }

    @Test("a body that breaks off is cut short even without an announced length")
    func brokenOffUnannounced() throws {
        let echo = Echo()
        try withResponder(threads: 1, echo) { _, path in
            do {
                let client = try Client(path)
                try client.begin()
                try client.parameters(["REQUEST_METHOD": "POST", "DOCUMENT_URI": "/"])
                try client.input(bytes(300))
            }
            #expect(wait { !echo.errors.isEmpty || echo.bodies.count == 1 })
        }
        #expect(echo.errors == [.cutShort(received: 300, announced: nil)])
    }

    @Test("a body that ends in the middle of a record is cut short")
    func brokenRecord() throws {
        let echo = Echo()
        try withResponder(threads: 1, echo) { _, path in
            do {
                let client = try Client(path)
                try client.begin()
                try client.parameters(post(length: 1000))
                // A record that announces 1,000 bytes and has 200.
                try client.send([1, 5, 0, 1, 3, 232, 0, 0] + bytes(200))
            }
            #expect(wait { !echo.errors.isEmpty })
        }
        #expect(echo.errors == [.cutShort(received: 200, announced: 1000)])
    }

    @Test("a body that ends properly with fewer bytes than announced is cut short")
    func tooFew() throws {
        let echo = Echo()
        try withResponder(threads: 1, echo) { _, path in
            let client = try Client(path)
            try client.request(post(length: 1000), body: bytes(999))
            #expect(try client.answer().appStatus == 0)
        }
        #expect(echo.errors == [.cutShort(received: 999, announced: 1000)])
    }

    @Test("a body without an announced length ends where it ends")
    func notAnnounced() throws {
        let echo = Echo()
        try withResponder(threads: 1, echo) { _, path in
            let client = try Client(path)
            try client.request(["REQUEST_METHOD": "POST", "DOCUMENT_URI": "/"], body: bytes(500))
            _ = try client.answer()
        }
        #expect(echo.errors.isEmpty)
        #expect(echo.bodies == [bytes(500)])
    }

    @Test("after a peer that went away in mid-request the thread serves the next one")
    func afterTrouble() throws {
        try withResponder(threads: 1, Echo()) { _, path in
            for round in 0..<5 {
                do {
                    let client = try Client(path)
                    if round > 0 { try client.begin() }
                    if round > 1 { try client.parameters(post(length: 10)) }
                    if round > 2 { try client.send([1, 5, 0]) }
                    if round > 3 { try client.send([UInt8](repeating: 255, count: 40)) }
                }
                let client = try Client(path)
                try client.request(get)
                #expect(try client.answer().body.hasPrefix("get\n/a b\n"))
            }
        }
    }

    @Test("a body that the handler doesn't want doesn't keep the answer back")
    func ignoredBody() throws {
        try withResponder(threads: 1, Echo()) { _, path in
            // Made before the call: a connection without a request for seconds is closed.
            let body = bytes(2_000_000)
            let client = try Client(path)
            try client.request(post("/ignore", length: 2_000_000), body: body)
            #expect(try client.answer().body == "ignored")
        }
    }

    @Test("more connections than threads are all answered")
    func manyConnections() throws {
        try withResponder(threads: 2, Echo()) { _, path in
            let clients = try (0..<40).map { _ in try Client(path) }
            // The last connection asks first, so that the order of the queue doesn't matter.
            for (index, client) in clients.enumerated().reversed() {
                try client.request(["REQUEST_METHOD": "GET", "DOCUMENT_URI": "/\(index)"])
            }
            for (index, client) in clients.enumerated() {
                #expect(try client.answer().body.hasPrefix("get\n/\(index)\n"))
            }
        }
    }

    @Test("a request to keep the connection is answered, and the connection is closed, so that it holds no thread")
    func keepConnection() throws {
        try withResponder(threads: 2, Echo()) { _, path in
            var kept: [Client] = []
            for _ in 0..<10 {
                let client = try Client(path)
                try client.request(get, keepConnection: true)
                let answer = try client.answer()
                #expect(answer.appStatus == 0)
                #expect(answer.closed)
                kept.append(client)
            }
            #expect(kept.count == 10)
        }
    }

    @Test("as many requests as there are threads are served at the same time")
    func parallel() throws {
        let echo = Echo()
        try withResponder(threads: 4, echo) { _, path in
            let clients = try (0..<5).map { _ in try Client(path) }
            for client in clients { try client.request(["REQUEST_METHOD": "GET", "DOCUMENT_URI": "/wait"]) }
            #expect(wait { echo.waiting == 4 })
            echo.openGate()
            for client in clients { #expect(try client.answer().body.hasPrefix("get\n/wait\n")) }
        }
        #expect(echo.waiting == 5)
    }

    @Test("stop ends idle threads at once")
    func stopIdle() throws {
        try withResponder(threads: 8, Echo()) { responder, _ in
            let duration = seconds { #expect(responder.stop(within: 60) == 0) }
            #expect(duration < 30)
        }
    }

    /// A responder with a thread that is busy until the gate of `echo` opens, and its client.
    private func withBusyResponder(
        threads: Int, _ echo: Echo, _ work: (Responder, Client) throws -> Void
    ) throws {
        try withResponder(threads: threads, echo) { responder, path in
            let client = try Client(path)
            try client.request(["REQUEST_METHOD": "GET", "DOCUMENT_URI": "/wait"])
            try #require(wait { echo.waiting == 1 })
            try work(responder, client)
        }
    }

    @Test("stop waits for the request in flight, and its client gets the response")
    func stopBusy() throws {
        let echo = Echo()
        try withBusyResponder(threads: 3, echo) { responder, client throws in
            let busy = Background { responder.stop(within: 10) }
            // Long enough for a stop that doesn't wait to be over.
            #expect(!wait(seconds: 0.3) { busy.result != nil })
            echo.openGate()
            #expect(try client.answer().body.hasPrefix("get\n/wait\n"))
            #expect(wait { busy.result != nil })
            #expect(busy.result == 0)
        }
    }

    @Test("stop doesn't wait longer than it may for a request that doesn't end, and reports it")
    func stopImpatient() throws {
        let echo = Echo()
        try withBusyResponder(threads: 1, echo) { responder, client throws in
            let duration = seconds { #expect(responder.stop(within: 1) == 1) }
            #expect(duration < 15)
            echo.openGate()
            #expect(try client.answer().body.hasPrefix("get\n/wait\n"))
            #expect(responder.stop(within: 10) == 0)
        }
    }

    @Test("after a stop no new request is taken")
    func stopped() throws {
        let echo = Echo()
        try withResponder(threads: 2, echo) { responder, path in
            #expect(responder.stop(within: 10) == 0)
            let client = try Client(path)
            try client.request(get)
            #expect(!wait(seconds: 0.3) { !echo.bodies.isEmpty })
        }
    }
}

/// Work on a thread of its own.
final class Background<Value: Sendable>: Sendable {
    private let value = Lock<Value?>(nil)
    private let work: @Sendable () -> Value

    /// The result of the work; nil until it is over.
    var result: Value? { value.withLock { $0 } }

    init(_ work: @escaping @Sendable () -> Value) {
        self.work = work
        var id: pthread_t = 0
        let start: @Sendable () -> Void = { [self] in
            let result = self.work()
            value.withLock { $0 = result }
        }
        let box = Unmanaged.passRetained(Box(start))
        let code = pthread_create(
            &id, nil,
            { argument in
                if let argument { Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().work() }
                return nil
            }, box.toOpaque())
        if code == 0 { pthread_detach(id) } else { box.release() }
    }
}

/// A closure as C can carry it.
private final class Box {
    let work: @Sendable () -> Void
    init(_ work: @escaping @Sendable () -> Void) { self.work = work }
}
