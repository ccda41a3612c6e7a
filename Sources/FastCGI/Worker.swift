import CFastCGI
import CLinux
import Glibc
import HTTP
import Linux
import Synchronization

/// One thread of the responder.
final class Worker: Sendable {
    /// Large enough that a chunk is written in few calls; small enough that many threads cost little. Besides, room for
    /// what stands before a chunk in its form.
    private static let bufferSize = 256 << 10 + 4 << 10
    /// Takes the longest request head and what came along behind it, or what of a body has to be put back.
    private static let inputSize = max(RequestHead.maximumBytes + 16 << 10, bufferSize + FastCGIBody.memoryForGaps)
    /// How much of a body that nobody wanted is read before the connection is closed on it.
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
    /// Nil before the start and after the end.
    private let thread = Lock<Thread?>(nil)
    /// When it took the request it is at, in seconds of the monotonic clock; 0 while it waits for one.
    private let busySince = Atomic<Int>(0)

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

    /// Waits for the thread's end until then (Unix seconds); false if it didn't come in time.
    func join(until deadline: Int) -> Bool {
        thread.withLock { thread in
            guard let running = thread else { return true }
            guard running.join(until: deadline) else { return false }
            thread = nil
            return true
        }
    }

    /// Whether it waits for a request, or took the one that it is at in the last so many seconds.
    func isAlive(patience seconds: Int) -> Bool {
        let since = busySince.load(ordering: .relaxed)
        return since == 0 || Worker.now() - since <= seconds
    }

    private static func now() -> Int {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return now.tv_sec
    }

    private func run() {
        let request = UnsafeMutablePointer<FCGX_Request>.allocate(capacity: 1)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Worker.bufferSize, alignment: 4096)
        let input = UnsafeMutableRawBufferPointer.allocate(byteCount: Worker.inputSize, alignment: 4096)
        var file = RequestHeadFile()
        // Without a socket to accept from: libfcgi gets its requests another way.
        FCGX_InitRequest(request, -1, 0)
        while waitForCall() {
            busySince.store(Worker.now(), ordering: .relaxed)
            defer { busySince.store(0, ordering: .relaxed) }
            let number = linux_accept(socket)
            if number >= 0 {
                serve(Connection(Descriptor(number), memory: input), request, buffer, &file)
            } else if errno != EAGAIN && errno != ECONNABORTED && errno != EINTR {
                // EMFILE and the like: the call stays in the queue, so it is tried again when the pause is over.
                report("cannot accept a connection: \(errorText(errno))")
                usleep(100_000)
            }
        }
        FCGX_Free(request, 0)
        input.deallocate()
        buffer.deallocate()
        request.deallocate()
    }

    /// Answers the request on a connection. Also where the web server asked to keep the connection, it carries no more
    /// than one: see `Responder`.
    private func serve(
        _ connection: Connection, _ request: UnsafeMutablePointer<FCGX_Request>,
        _ buffer: UnsafeMutableRawBufferPointer, _ file: inout RequestHeadFile
    ) {
        guard let requestHead = connection.requestHead(hurriedBy: stopping), hand(requestHead, to: request, by: &file)
        else {
            return
        }
        // The field is marked as private in libfcgi's header, but nothing else tells it where to write.
        request.pointee.ipcFd = connection.number
        answer(request, connection, requestHead.request, buffer)
        FCGX_FClose(request.pointee.err)
        FCGX_FClose(request.pointee.out)
        request.pointee.ipcFd = -1
        FCGX_Free(request, 0)
    }

    /// Lets libfcgi read a request head.
    private func hand(
        _ requestHead: RequestHead, to request: UnsafeMutablePointer<FCGX_Request>, by file: inout RequestHeadFile
    ) -> Bool {
        let number = file.hold(requestHead.written)
        guard number >= 0 else {
            report("cannot keep a request's parameters: \(errorText(errno))")
            return false
        }
        request.pointee.ipcFd = number
        // Else libfcgi would not believe that this is the connection of a request before, and close it.
        request.pointee.keepConnection = 1
        guard FCGX_Accept_r(request) == 0 else {
            // It has closed what it can't read.
            file.forget()
            report("libfcgi can't read a request's parameters")
            return false
        }
        return true
    }

    /// False when it is time to stop.
    private func waitForCall() -> Bool {
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
        response.write(to: pointer.pointee.out, withBody: request.method != .head)
    }
}
