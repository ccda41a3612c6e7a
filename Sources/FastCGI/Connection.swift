import Glibc
import Linux

/// A connection from the web server, read through memory that belongs to the thread. Releasing it closes the
/// connection.
final class Connection {
    /// How long a whole request head may take to arrive. nginx has all of it before it connects, and sends it at once.
    private static let headMilliseconds: UInt64 = 5000
    /// The same once the responder is stopping. The connection was accepted, so it is not closed at once: the web
    /// server is about to send a request, and would report an error to its client.
    private static let lastHeadMilliseconds: UInt64 = 1000
    /// The time limit of one read or write.
    private static let transferSeconds = 120
    /// The longest answer in bytes, without the 32 that FastCGI adds, that fits into the smallest buffer that Linux gives
    /// a socket: half of 4608 bytes (unix(7), socket(7), `SO_SNDBUF`).
    private static let shortAnswer = 2048
    /// How much is read at once while the kind of the next bytes is unknown: content has to be copied from there.
    private static let probeBytes = 16 << 10

    private let descriptor: Descriptor
    private let memory: UnsafeMutableRawBufferPointer
    /// True once a read has the time limit. It is set before the first read that has to wait: usually all of a short
    /// request is there.
    private var isReadingLimited = false
    /// Where the bytes are that have been read and not been used yet.
    private var unread = 0..<0

    /// - Parameter memory: at least `RequestHead.maximumBytes`.
    init(_ descriptor: consuming Descriptor, memory: UnsafeMutableRawBufferPointer) {
        self.descriptor = descriptor
        self.memory = memory
    }

    /// Prepares the connection for an answer of so many bytes. A short one fits into the socket's buffer at once, so
    /// that sending it cannot wait.
    func prepareToSend(_ count: Int) {
        if count > Connection.shortAnswer { Connection.limit(SO_SNDTIMEO, descriptor.number) }
    }

    private static func limit(_ option: Int32, _ number: Int32) {
        var time = timeval(tv_sec: transferSeconds, tv_usec: 0)
        setsockopt(number, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Its descriptor. Only this connection closes it.
    var number: Int32 { descriptor.number }

    /// The most bytes that can be unread at a time.
    var capacity: Int { memory.count }

    /// The unread bytes.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[unread]) }

    /// Marks the first unread bytes as used.
    func drop(_ count: Int) { unread = unread.lowerBound + min(count, unread.count)..<unread.upperBound }

    /// Reads more bytes behind the unread ones; false at the end of the connection.
    func fill() -> Bool {
        if !isReadingLimited {
            if let isOpen = fillAtOnce() { return isOpen }
            limitReading()
        }
        return fill(0) ?? false
    }

    private func limitReading() {
        Connection.limit(SO_RCVTIMEO, descriptor.number)
        isReadingLimited = true
    }

    /// The same without waiting; nil if there are no bytes yet.
    private func fillAtOnce() -> Bool? { fill(Int32(MSG_DONTWAIT)) }

    private func fill(_ flags: Int32) -> Bool? {
        if unread.isEmpty {
            unread = 0..<0
        } else if unread.upperBound == memory.count {
            memory.copyMemory(from: bytes)
            unread = 0..<unread.count
        }
        let target = UnsafeMutableRawBufferPointer(
            rebasing: memory[unread.upperBound...].prefix(Connection.probeBytes))
        var count = 0
        repeat {
            count = recv(descriptor.number, target.baseAddress, target.count, flags)
        } while count < 0 && errno == EINTR
        if flags != 0 && count < 0 && errno == EAGAIN { return nil }
        count = max(0, count)
        unread = unread.lowerBound..<unread.upperBound + count
        return count > 0
    }

    /// Reads straight into other pieces of memory, one after the other. To be called when there are no unread bytes.
    ///
    /// - Returns: how many bytes were read; 0 at the end of the connection.
    func receive(into pieces: UnsafeBufferPointer<iovec>) -> Int {
        var message = msghdr()
        message.msg_iov = UnsafeMutablePointer(mutating: pieces.baseAddress)
        message.msg_iovlen = pieces.count
        while true {
            let count = recvmsg(descriptor.number, &message, isReadingLimited ? 0 : Int32(MSG_DONTWAIT))
            if count < 0 && errno == EAGAIN && !isReadingLimited {
                limitReading()
            } else if count >= 0 || errno != EINTR {
                return max(0, count)
            }
        }
    }

    /// Copies the first bytes of these pieces back, so that they are unread again.
    func putBack(_ count: Int, of pieces: UnsafeBufferPointer<iovec>.SubSequence) {
        var place = 0
        for piece in pieces {
            let bytes = UnsafeRawBufferPointer(start: piece.iov_base, count: min(piece.iov_len, count - place))
            UnsafeMutableRawBufferPointer(rebasing: memory[place...]).copyMemory(from: bytes)
            place += bytes.count
        }
        unread = 0..<place
    }

    /// The last bytes of the memory, for a caller of `receive` that puts back fewer bytes than lie before them. To be
    /// called when there are no unread bytes.
    func margin(_ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: memory.suffix(count))
    }

    /// Reads the request head; nil if the peer breaks the protocol or takes too long, and the connection is to be
    /// closed.
    ///
    /// - Parameter stopping: becomes readable when the responder is stopping; the time limit is shorter then.
    func requestHead(stoppingWith stopping: Int32) -> RequestHead? {
        var isStopping = false
        var deadline = MonotonicClock.milliseconds + Connection.headMilliseconds
        var requestHead = RequestHead()
        while true {
            switch requestHead.judge(bytes) {
            case .whole(let length):
                drop(length)
                return requestHead
            case .refused:
                return nil
            case .incomplete:
                // Usually the web server has sent all of it.
                if let isOpen = fillAtOnce() {
                    guard isOpen else { return nil }
                    continue
                }
                var waiting = [descriptor.number, stopping].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
                let now = MonotonicClock.milliseconds
                let ready = poll(&waiting, isStopping ? 1 : 2, Int32(clamping: deadline > now ? deadline - now : 0))
                if ready < 0 && errno == EINTR { continue }
                if ready > 0 && waiting[0].revents == 0 {
                    isStopping = true
                    deadline = min(deadline, MonotonicClock.milliseconds + Connection.lastHeadMilliseconds)
                    continue
                }
                guard ready > 0, fill() else { return nil }
            }
        }
    }
}
