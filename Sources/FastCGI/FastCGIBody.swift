import Glibc
import HTTP

/// The body of a FastCGI request: the records of the stream FCGI_STDIN, up to the empty one (FastCGI 1.0, section 3.3).
struct FastCGIBody: RequestBody {
    private enum State {
        /// The head of a record is next.
        case between
        /// This many bytes of content are next, then this many of padding.
        case record(content: Int, padding: Int)
        case ended
        case failed
    }

    /// A record with at least this much content left is read straight into the caller's buffer.
    private static let directBytes = 4096
    /// How many records one system call reads.
    private static let recordsAtOnce = 8
    /// The longest gap between the contents of two records: the longest padding and a head.
    private static let longestGap = 255 + RecordHead.length
    /// The memory that a connection needs besides the size of the buffer that a body is read into: for the gaps of
    /// records that are read at once, and to put them back with the content between them.
    static let memoryForGaps = 2 * recordsAtOnce * longestGap

    private let connection: Connection
    private let request: UInt16
    private let announced: UInt64?
    private var received: UInt64 = 0
    private var state = State.between
    /// How much content the current record had at its start.
    private var recordLength = 0
    /// True if the next record is expected to have the same length: once one has had the length of the one before it,
    /// and from the start if the body is so short that reading too much costs less than another system call.
    private var isSteady = false
    /// The longest such body in bytes.
    private static let shortBody: UInt64 = 128 << 10

    /// - Parameters:
    ///   - request: the request's number in the records.
    ///   - announced: the length of the body by its Content-Length.
    init(_ connection: Connection, request: UInt16, announced: UInt64?) {
        self.connection = connection
        self.request = request
        self.announced = announced
    }

    /// True if the body is known to be short.
    private var isShort: Bool { announced.map { $0 <= FastCGIBody.shortBody } ?? false }

    /// A web server that goes away leaves the stream without its end. One whose client goes away may end the stream too
    /// early. So both the end and the count are checked.
    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BodyError) -> Int {
        // Fills the buffer, however the web server cuts the stream: few large writes cost much less than many small
        // ones.
        var filled = 0
        while filled < buffer.count {
            switch state {
            case .between:
                guard let head = RecordHead(connection.bytes) else {
                    if !connection.fill() { state = .failed }
                    continue
                }
                connection.drop(RecordHead.length)
                // ABORT_REQUEST, or a record that no web server sends here.
                guard head.version == RecordHead.version, head.kind == RecordHead.Kind.input, head.request == request
                else {
                    state = .failed
                    continue
                }
                isSteady = isShort || head.content == recordLength
                recordLength = head.content
                state = head.content == 0 ? .ended : .record(content: head.content, padding: head.padding)
            case .record(0, 0):
                state = .between
            case .record(0, let padding):
                let count = min(padding, connection.bytes.count)
                connection.drop(count)
                state = .record(content: 0, padding: padding - count)
                if count == 0 && !connection.fill() { state = .failed }
            case .record(let content, let padding):
                let target = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                let isDirect = connection.bytes.isEmpty && min(content, target.count) >= FastCGIBody.directBytes
                let count =
                    isDirect
                    ? gather(into: target, content, padding) : take(into: target, content, padding)
                if count == 0 { state = .failed }
                filled += count
                received += UInt64(count)
            case .ended where filled > 0 || received >= announced ?? 0, .failed where filled > 0:
                return filled
            case .ended, .failed:
                throw .cutShort(received: received, announced: announced)
            }
        }
        return filled
    }

    /// Copies the rest of a record's content from the unread bytes; reads some if there are none.
    ///
    /// - Returns: how many bytes; 0 at the end of the connection.
    private mutating func take(into target: UnsafeMutableRawBufferPointer, _ content: Int, _ padding: Int) -> Int {
        guard !connection.bytes.isEmpty || connection.fill() else { return 0 }
        let count = min(content, target.count, connection.bytes.count)
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: connection.bytes[..<count]))
        connection.drop(count)
        state = .record(content: content - count, padding: padding)
        return count
    }

    /// Reads the rest of a record's content straight into the caller's buffer. A web server cuts a body into records of
    /// one length, except for the first and the last one. So the next records are read as well, on the assumption that
    /// they are as long. If one isn't, the bytes that were read are put back and parsed in order.
    ///
    /// - Returns: how many bytes of content; 0 at the end of the connection.
    private mutating func gather(into target: UnsafeMutableRawBufferPointer, _ content: Int, _ padding: Int) -> Int {
        let gap = padding + RecordHead.length
        let gaps = connection.margin(FastCGIBody.recordsAtOnce * FastCGIBody.longestGap)
        return withUnsafeTemporaryAllocation(of: iovec.self, capacity: 2 * FastCGIBody.recordsAtOnce) { pieces in
            var (count, place, expected) = (0, 0, content)
            let end = min(target.count, connection.capacity - FastCGIBody.memoryForGaps)
            while count < (isSteady ? pieces.count : 2), place < end {
                let length = min(expected, end - place)
                pieces[count] = iovec(iov_base: target.baseAddress.map { $0 + place }, iov_len: length)
                pieces[count + 1] = iovec(iov_base: gaps.baseAddress.map { $0 + count / 2 * gap }, iov_len: gap)
                place += length
                // Where the buffer ends inside a record, nothing behind it is read.
                count += length < expected ? 1 : 2
                expected = recordLength
            }
            let read = UnsafeBufferPointer(rebasing: pieces[..<count])
            var left = connection.receive(into: read)
            var (filled, rest) = (0, content)
            for index in stride(from: 0, to: count, by: 2) {
                let length = min(left, read[index].iov_len)
                (filled, left, rest) = (filled + length, left - length, rest - length)
                state = .record(content: rest, padding: padding)
                guard left > 0 else { break }
                let gapped = UnsafeRawBufferPointer(start: read[index + 1].iov_base, count: gap)
                let head = RecordHead(UnsafeRawBufferPointer(rebasing: gapped.suffix(RecordHead.length)))
                guard left >= gap, isNext(head, padding) else {
                    connection.putBack(left, of: read[(index + 1)...])
                    break
                }
                (left, rest) = (left - gap, recordLength)
                state = .record(content: rest, padding: padding)
                isSteady = true
            }
            return filled
        }
    }

    /// True if `head` is that of another record like the current one.
    private func isNext(_ head: RecordHead?, _ padding: Int) -> Bool {
        guard let head else { return false }
        return head.version == RecordHead.version && head.kind == RecordHead.Kind.input && head.request == request
            && head.content == recordLength && head.padding == padding
    }

    /// Discards the rest of the body, up to `limit` bytes. A web server that is still sending when the response arrives
    /// may take that for an error.
    mutating func drain(through buffer: UnsafeMutableRawBufferPointer, limit: UInt64) {
        let start = received
        while received - start < limit {
            guard let count = try? read(into: buffer), count > 0 else { return }
        }
    }
}
