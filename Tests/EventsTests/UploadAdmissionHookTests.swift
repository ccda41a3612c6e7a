import Glibc
import Linux
import Logging
import TestSupport
import Testing
import UploadModel
import UploadStore

@testable import Events

/// A site on a loopback address that keeps each request until it is told to answer.
private final class SlowSite: Sendable {
    let port: UInt16
    private let socket: Descriptor
    private let connections = Lock<[Int32]>([])

    init() throws {
        socket = Descriptor(Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let number = socket.number
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(number, pointer, length) == 0 && listen(number, 64) == 0
                    && getsockname(number, pointer, &length) == 0
            }
        }
        try #require(isBound)
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit { for connection in connections.withLock({ $0 }) { close(connection) } }

    /// Accepts the connections that have come, and returns how many there were so far.
    func count() -> Int {
        while true {
            let connection = accept(socket.number, nil, nil)
            guard connection >= 0 else { break }
            connections.withLock { $0.append(connection) }
        }
        return connections.withLock { $0.count }
    }

    /// Lets every upload begin that was asked about.
    func admitAll() {
        let answer = Array("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".utf8)
        for connection in connections.withLock({ $0 }) {
            _ = send(connection, answer, answer.count, Int32(MSG_NOSIGNAL))
        }
    }
}

@Suite("Asking a site whether an upload may begin")
struct UploadAdmissionHookTests {
    private func chunk(_ name: String) throws -> ChunkRequest {
        let id = try UploadID(identifier: name, filename: FileName(name, parameter: ""), parameter: "")
        return ChunkRequest(upload: id, number: 1, place: .counted(chunks: 1))
    }

    private func wait(until isTrue: () -> Bool) {
        for _ in 0..<3000 where !isTrue() { usleep(10_000) }
    }

    @Test("only so many threads wait for the site, and the others get retry at once")
    func bounded() throws {
        let site = try SlowSite()
        let endpoint = try #require(
            WebhookEndpoint(url: "http://127.0.0.1:\(site.port)/", key: nil, seconds: 60))
        let hook = UploadAdmissionHook(
            endpoint, maximumWaiting: 3, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let admitted = Lock<[String]>([])
        // One upload is asked about by two threads, another by one.
        let threads = try ["a", "a", "b"].map { name in
            let chunk = try chunk(name)
            return try Thread {
                if (try? hook.admit(chunk)) != nil { admitted.withLock { $0.append(name) } }
            }
        }
        wait { site.count() == 2 && hook.waiting == 3 }
        #expect(site.count() == 2 && hook.waiting == 3)
        let began = MonotonicClock.milliseconds
        for name in ["a", "b", "c"] {
            let chunk = try chunk(name)
            #expect(throws: StoreError.undecided) { try hook.admit(chunk) }
        }
        #expect(MonotonicClock.milliseconds - began < 30_000)
        #expect(site.count() == 2)
        site.admitAll()
        for thread in threads { thread.join() }
        #expect(admitted.withLock { $0 }.sorted() == ["a", "a", "b"])
        // Known answers need no thread, and the places are free again.
        try hook.admit(try chunk("a"))
        let other = try chunk("d")
        let last = try Thread { _ = try? hook.admit(other) }
        wait { site.count() == 3 }
        #expect(site.count() == 3)
        site.admitAll()
        last.join()
    }
}
