import Glibc
import Linux

/// A web server's connection, read through a piece of memory that belongs to the thread. It closes when it goes.
final class Connection {
    /// How long a whole request head may take. It is shorter than the header that nginx waited for, and comes at once.
    private static let preambleSeconds = 5
    /// How long it may take when it is time to stop. A call that was taken must not be hung up on for that: the web server
    /// has connected and is about to speak, and would tell its client that nobody answers.
    private static let lastPreambleMilliseconds = 1000
    /// How long one read or write may take.
    private static let patienceSeconds = 120
    /// How much is read at once while it isn't known what comes: what is meant for elsewhere has to be copied.
    private static let probeBytes = 16 << 10

    private let descriptor: Descriptor
    private let memory: UnsafeMutableRawBufferPointer
    /// What has been read and not yet been taken.
    private var unread = 0..<0

    /// - Parameter memory: at least `RequestHead.maximumBytes`.
    init(_ descriptor: consuming Descriptor, memory: UnsafeMutableRawBufferPointer) {
        var time = timeval(tv_sec: Connection.patienceSeconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor.number, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        self.descriptor = descriptor
        self.memory = memory
    }

    /// Its descriptor: this connection closes it, and nobody else may.
    var number: Int32 { descriptor.number }

    /// How many bytes can be unread at a time.
    var capacity: Int { memory.count }

    /// The bytes that are there.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[unread]) }

    /// Steps over bytes that are there.
    func drop(_ count: Int) { unread = unread.lowerBound + min(count, unread.count)..<unread.upperBound }

    /// Reads what comes, behind the bytes that are there; false if nothing comes any more.
    func fill() -> Bool {
        if unread.isEmpty {
            unread = 0..<0
        } else if unread.upperBound == memory.count {
            memory.copyMemory(from: bytes)
            unread = 0..<unread.count
        }
        let room = UnsafeMutableRawBufferPointer(rebasing: memory[unread.upperBound...].prefix(Connection.probeBytes))
        var count = 0
        repeat { count = recv(descriptor.number, room.baseAddress, room.count, 0) } while count < 0 && errno == EINTR
        count = max(0, count)
        unread = unread.lowerBound..<unread.upperBound + count
        return count > 0
    }

    /// Reads straight into other pieces of memory, one behind the other. There are no unread bytes.
    ///
    /// - Returns: how many bytes came; 0 if nothing comes any more.
    func receive(into pieces: UnsafeBufferPointer<iovec>) -> Int {
        while true {
            let count = readv(descriptor.number, pieces.baseAddress, Int32(pieces.count))
            if count >= 0 || errno != EINTR { return max(0, count) }
        }
    }

    /// Takes the first bytes of these pieces back, as if they were unread.
    func putBack(_ count: Int, of pieces: UnsafeBufferPointer<iovec>.SubSequence) {
        var place = 0
        for piece in pieces {
            let bytes = UnsafeRawBufferPointer(start: piece.iov_base, count: min(piece.iov_len, count - place))
            UnsafeMutableRawBufferPointer(rebasing: memory[place...]).copyMemory(from: bytes)
            place += bytes.count
        }
        unread = 0..<place
    }

    /// The end of the memory, for whoever reads pieces and puts none of so many bytes back: there are no unread bytes.
    func margin(_ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: memory.suffix(count))
    }

    /// Reads the request head; nil if the peer is none that can be served, and has to be hung up on.
    ///
    /// - Parameter stopping: becomes ready to read when it is time to stop; then there is less patience.
    func requestHead(hurriedBy stopping: Int32) -> RequestHead? {
        var isHurried = false
        var deadline = Connection.now + Connection.preambleSeconds * 1000
        var requestHead = RequestHead()
        while true {
            switch requestHead.judge(bytes) {
            case .whole(let length):
                drop(length)
                return requestHead
            case .refused:
                return nil
            case .incomplete:
                var waiting = [descriptor.number, stopping].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
                let ready = poll(&waiting, isHurried ? 1 : 2, Int32(max(0, deadline - Connection.now)))
                if ready < 0 && errno == EINTR { continue }
                if ready > 0 && waiting[0].revents == 0 {
                    isHurried = true
                    deadline = min(deadline, Connection.now + Connection.lastPreambleMilliseconds)
                    continue
                }
                guard ready > 0, fill() else { return nil }
            }
        }
    }

    /// In milliseconds, of a clock that nobody sets.
    private static var now: Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
}
