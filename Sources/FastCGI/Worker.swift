import CFastCGI
import CLinux
import Glibc
import HTTP
import Linux
import Synchronization

/// One thread of the responder.
final class Worker: Sendable {
    /// Large enough that a chunk is written with few calls, and small enough that many threads cost little. The last 4
    /// KiB are for the fields that come before a chunk in its form.
    private static let bufferSize = 256 << 10 + 4 << 10
    /// Holds the longest request head and the bytes that were read behind it, or the bytes of a body that are put back.
    private static let inputSize = max(RequestHead.maximumBytes + 16 << 10, bufferSize + FastCGIBody.memoryForGaps)
    /// How much of an unused body is read before the connection is closed.
    private static let drainLimit: UInt64 = 256 << 20

    private typealias Answer =
        @Sendable (
            UnsafeMutablePointer<FCGX_Request>, Connection, _ number: UInt16, UnsafeMutableRawBufferPointer
        ) -> Void

    private let epoll: Descriptor
    private let socket: Int32
    private let stopping: Int32
    private let answer: Answer
    private let report: @Sendable (String) -> Void
    /// Nil before the start and after the end of the thread.
    private let thread = Lock<Thread?>(nil)
    /// When the current request was accepted, in seconds of the monotonic clock; 0 while the thread waits for one.
    private let busySince = Atomic<UInt64>(0)

    init(
        socket: Int32, stopping: Int32, handler: some RequestHandler, report: @escaping @Sendable (String) -> Void
    ) throws(ResponderError) {
        let number = linux_epoll()
        guard number >= 0 else { throw .failed("make an epoll", errno) }
        epoll = Descriptor(number)
        guard linux_epoll_add(number, socket, true) == 0, linux_epoll_add(number, stopping, false) == 0 else {
            throw .failed("wait for the socket", errno)
        }
        self.socket = socket
        self.stopping = stopping
        self.report = report
        answer = { Worker.answer($0, $1, number: $2, using: $3, handler) }
    }

    func start() throws(ResponderError) {
        do throws(ThreadError) {
            let started = try Thread { [self] in run() }
            thread.withLock { $0 = started }
        } catch {
            throw .failed("start a thread", error.code)
        }
    }

    /// Waits for the end of the thread until `deadline` (Unix seconds); false if it has not ended by then.
    func join(until deadline: Int) -> Bool {
        thread.withLock { thread in
            guard let running = thread else { return true }
            guard running.join(until: deadline) else { return false }
            thread = nil
            return true
        }
    }

    /// True if the thread waits for a request, or has accepted the current one in the last so many seconds.
    func isAlive(within seconds: Int) -> Bool {
        let since = busySince.load(ordering: .relaxed)
        return since == 0 || MonotonicClock.seconds <= since + UInt64(max(0, seconds))
    }

    private func run() {
        let request = UnsafeMutablePointer<FCGX_Request>.allocate(capacity: 1)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Worker.bufferSize, alignment: 4096)
        let input = UnsafeMutableRawBufferPointer.allocate(byteCount: Worker.inputSize, alignment: 4096)
        var file = RequestHeadFile()
        // -1: libfcgi never accepts a connection itself.
        FCGX_InitRequest(request, -1, 0)
        while waitForConnection() {
            busySince.store(MonotonicClock.seconds, ordering: .relaxed)
            defer { busySince.store(0, ordering: .relaxed) }
            let number = linux_accept(socket)
            if number >= 0 {
                serve(Connection(Descriptor(number), memory: input), request, buffer, &file)
            } else if errno != EAGAIN && errno != ECONNABORTED && errno != EINTR {
                // EMFILE and the like: the connection stays in the queue, so accept is called again after a pause.
                report("cannot accept a connection: \(errorText(errno))")
                usleep(100_000)
            }
        }
        FCGX_Free(request, 0)
        input.deallocate()
        buffer.deallocate()
        request.deallocate()
    }

    /// Answers the request on a connection. It carries no more than one, even if the web server asked to keep it: see
    /// `Responder`.
    private func serve(
        _ connection: Connection, _ request: UnsafeMutablePointer<FCGX_Request>,
        _ buffer: UnsafeMutableRawBufferPointer, _ file: inout RequestHeadFile
    ) {
        guard let requestHead = connection.requestHead(stoppingWith: stopping),
            parse(requestHead, into: request, by: &file)
        else { return }
        // libfcgi's header marks the field as private, but there is no other way to say where the response goes.
        request.pointee.ipcFd = connection.number
        answer(request, connection, requestHead.request, buffer)
        FCGX_FClose(request.pointee.err)
        FCGX_FClose(request.pointee.out)
        request.pointee.ipcFd = -1
        FCGX_Free(request, 0)
    }

    /// Lets libfcgi parse a request head.
    private func parse(
        _ requestHead: RequestHead, into request: UnsafeMutablePointer<FCGX_Request>, by file: inout RequestHeadFile
    ) -> Bool {
        let number = file.write(requestHead.encoded)
        guard number >= 0 else {
            report("cannot keep a request's parameters: \(errorText(errno))")
            return false
        }
        request.pointee.ipcFd = number
        // Otherwise libfcgi takes this descriptor for the connection of an earlier request, and closes it.
        request.pointee.keepConnection = 1
        guard FCGX_Accept_r(request) == 0 else {
            // libfcgi closes a descriptor that it cannot read.
            file.forget()
            report("libfcgi cannot read a request's parameters")
            return false
        }
        return true
    }

    /// Returns true when there is a connection to accept, and false when the responder is stopping.
    private func waitForConnection() -> Bool {
        while true {
            let ready = linux_epoll_wait(epoll.number, -1)
            if ready == stopping { return false }
            if ready == socket { return true }
        }
    }

    private static func answer(
        _ pointer: UnsafeMutablePointer<FCGX_Request>, _ connection: Connection, number: UInt16,
        using buffer: UnsafeMutableRawBufferPointer, _ handler: some RequestHandler
    ) {
        let request = Request(parameters: pointer.pointee.envp)
        var body = FastCGIBody(connection, request: number, announced: request.contentLength)
        let response = handler.respond(to: request, body: &body, using: buffer)
        body.drain(through: buffer, limit: drainLimit)
        response.write(to: pointer.pointee.out, connection, withBody: request.method != .head)
    }
}
