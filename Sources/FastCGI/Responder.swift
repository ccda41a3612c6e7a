import CFastCGI
import CLinux
import Glibc
package import HTTP
import Linux

/// The FastCGI responder: threads that wait for requests and answer them.
///
/// Each thread has its own libfcgi request and buffers, and waits on its own epoll for two events: a connection on the
/// listening socket, and the stop. So a stop wakes idle threads at once, doesn't disturb busy ones, and needs no
/// shutdown of a socket that another process may have inherited. A thread reads the connection itself and passes only
/// valid request heads to libfcgi (`RequestHead`), which parses the parameters and writes the response. One connection
/// carries one request: a kept connection would block its thread while it idles.
package final class Responder: Sendable {
    private let workers: [Worker]
    private let stopping: Descriptor

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - listener: must stay open as long as this responder exists.
    ///   - threads: how many requests are answered at the same time; 1 and up.
    ///   - report: called with one line of text for each failure outside of any request.
    /// - Throws: `ResponderError` if the system refuses a resource.
    package init(
        _ listener: borrowing Listener,
        threads: Int,
        handler: some RequestHandler,
        report: @escaping @Sendable (String) -> Void
    ) throws(ResponderError) {
        // It installs handlers for SIGPIPE and other signals; ours are installed after it.
        guard FCGX_Init() == 0 else { throw .failed("start libfcgi", errno) }
        signal(SIGPIPE, SIG_IGN)

        let event = linux_event()
        guard event >= 0 else { throw .failed("make an event", errno) }
        stopping = Descriptor(event)
        let throttle = Throttle(report)
        var workers: [Worker] = []
        for _ in 0..<max(1, threads) {
            workers.append(
                try Worker(socket: listener.descriptor.number, stopping: event, handler: handler) { throttle($0) })
        }
        self.workers = workers
        for worker in workers { try worker.start() }
    }

    /// Whether requests are still answered: false if every thread has been busy with one request for more than so many
    /// seconds, that is, if all of them are stuck.
    package func isAlive(within seconds: Int) -> Bool {
        workers.contains { $0.isAlive(within: seconds) }
    }

    /// Ends the threads: idle ones at once, busy ones after their request. No new request is accepted.
    ///
    /// - Parameter seconds: how long to wait for requests in flight.
    /// - Returns: how many threads are still busy after that time.
    package func stop(within seconds: Int) -> Int {
        var one: UInt64 = 1
        _ = write(stopping.number, &one, 8)
        let deadline = time(nil) + seconds
        return workers.count { !$0.join(until: deadline) }
    }
}

/// Why a responder could not be started.
package enum ResponderError: Error, CustomStringConvertible {
    case failed(_ operation: String, _ code: Int32)

    package var description: String {
        switch self {
        case .failed(let operation, let code): "cannot \(operation): \(errorText(code))"
        }
    }
}
