import CFastCGI
import CLinux
import Glibc
import HTTP
import Linux
import Synchronization

/// One thread of the responder.
final class Worker: Sendable {
    /// Large enough that a chunk is written in few calls; small enough that many threads cost little.
    private static let bufferSize = 256 << 10
    /// How long one read or write on the web server's connection may take.
    private static let patienceSeconds = 120
    /// How much of a body that nobody wanted is read before the connection is closed on it.
    private static let drainLimit: UInt64 = 256 << 20

    private let epoll: Descriptor
    private let socket: Int32
    private let stopping: Int32
    private let answer: @Sendable (UnsafeMutablePointer<FCGX_Request>, UnsafeMutableRawBufferPointer) -> Void
    private let report: @Sendable (String) -> Void
    /// Nil before the start and after the end.
    private let thread = Lock<pthread_t?>(nil)
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
        answer = { Worker.answer($0, using: $1, handler) }
    }

    func start() throws(ResponderError) {
        var id: pthread_t = 0
        let box = Unmanaged.passRetained(self)
        let code = pthread_create(
            &id, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Worker>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, box.toOpaque())
        guard code == 0 else {
            box.release()
            throw .failed("start a thread", code)
        }
        thread.withLock { $0 = id }
    }

    /// Waits for the thread's end until then (Unix seconds); false if it didn't come in time.
    func join(until deadline: time_t) -> Bool {
        thread.withLock { thread in
            guard let id = thread else { return true }
            guard linux_join_until(id, deadline) == 0 else { return false }
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
        FCGX_InitRequest(request, socket, 0)
        while waitForCall() {
            busySince.store(Worker.now(), ordering: .relaxed)
            defer { busySince.store(0, ordering: .relaxed) }
            let result = FCGX_Accept_r(request)
            if result == 0 {
                answer(request, buffer)
                // Nothing more will come on the connection, so closing it can't cost the web server the answer. Attached,
                // libfcgi would first wait for the web server's own end of it.
                if FCGX_HasSeenEOF(request.pointee.in) != 0 { FCGX_Detach(request) }
                FCGX_Finish_r(request)
                // Also where the web server asked to keep the connection: see `Responder`.
                FCGX_Free(request, 1)
                FCGX_Attach(request)
            } else if result != -EAGAIN && result != -ECONNABORTED {
                // EMFILE and the like: the call stays in the queue, so it is tried again when the pause is over.
                report("cannot accept a connection: \(errorText(-result))")
                usleep(100_000)
            }
        }
        FCGX_Free(request, 1)
        buffer.deallocate()
        request.deallocate()
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
        _ pointer: UnsafeMutablePointer<FCGX_Request>, using buffer: UnsafeMutableRawBufferPointer,
        _ handler: some RequestHandler
    ) {
        // The field is marked as private in libfcgi's header, but nothing else bounds the time a read may take.
        var time = timeval(tv_sec: patienceSeconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(pointer.pointee.ipcFd, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        let request = Request(parameters: pointer.pointee.envp)
        var body = FastCGIBody(pointer.pointee.in, announced: request.contentLength)
        let response = handler.respond(to: request, body: &body, using: buffer)
        body.drain(through: buffer, limit: drainLimit)
        response.write(to: pointer.pointee.out, withBody: request.method != .head)
    }
}
