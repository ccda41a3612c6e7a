import FastCGI
import Glibc
import HTTP
import Linux
import TestSupport

extension TemporaryFolder {
    var socket: String { path + "/socket" }
}

/// Something that a test needs went wrong.
struct Failure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Waits until `condition` holds, at most that long. Returns whether it did.
func wait(seconds: Double = 10, until condition: () -> Bool) -> Bool {
    for _ in 0..<Int(seconds * 200) {
        if condition() { return true }
        usleep(5000)
    }
    return condition()
}

/// The seconds that `work` takes.
func seconds(_ work: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    let duration = try clock.measure(work)
    return Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
}

/// A responder on a socket of its own, while `work` runs. All its threads must have ended within 10 seconds.
func withResponder(
    threads: Int, _ handler: some RequestHandler, _ work: (Responder, String) throws -> Void
) throws {
    let folder = try TemporaryFolder()
    do {
        let listener = try Listener(path: folder.socket)
        let responder = try Responder(listener, threads: threads, handler: handler) { _ in }
        let result = Result { try work(responder, folder.socket) }
        guard responder.stop(within: 10) == 0 else { throw Failure("a thread didn't end") }
        try result.get()
    }
    guard access(folder.socket, F_OK) != 0 else { throw Failure("the socket is still there") }
}

/// Answers with what it was asked, and remembers how bodies ended. A request for `/wait` waits for the gate.
final class Echo: RequestHandler {
    private struct State {
        var isOpen = false
        var waiting = 0
        var bodies: [[UInt8]] = []
        var errors: [BodyError] = []
    }

    private let state = Lock(State())

    var bodies: [[UInt8]] { state.withLock { $0.bodies } }
    var errors: [BodyError] { state.withLock { $0.errors } }
    var waiting: Int { state.withLock { $0.waiting } }

    func openGate() {
        state.withLock { $0.isOpen = true }
    }

    func respond(
        to request: Request, body: inout some RequestBody, using buffer: UnsafeMutableRawBufferPointer
    ) -> Response {
        if request.path == "/wait" {
            state.withLock { $0.waiting += 1 }
            guard FastCGITests.wait(seconds: 20, until: { state.withLock { $0.isOpen } }) else {
                return Response(status: 503)
            }
        }
        if request.path == "/ignore" { return Response(status: 200, body: Array("ignored".utf8)) }
        var bytes: [UInt8] = []
        do throws(BodyError) {
            while true {
                let count = try body.read(into: buffer)
                if count == 0 { break }
                bytes += buffer[..<count]
            }
        } catch {
            state.withLock { $0.errors.append(error) }
        }
        state.withLock { $0.bodies.append(bytes) }
        let lines = [
            "\(request.method)", request.path, request.query, request.contentType ?? "-",
            request.contentLength.map { "\($0)" } ?? "-", request.accept ?? "-", request.requestID, "\(bytes.count)",
            "\(buffer.count >= 64 << 10)",
        ]
        return Response(
            status: request.path == "/missing" ? 404 : 200, headers: [.init("X-Test", "yes")],
            body: Array(lines.joined(separator: "\n").utf8))
    }
}
