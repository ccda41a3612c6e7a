import Glibc
import HTTP

/// The body of a FastCGI request: the records of the stream FCGI_STDIN, up to the empty one (FastCGI 1.0, section 3.3).
struct FastCGIBody: RequestBody {
    private enum State {
        /// A record's head is next.
        case between
        /// So many bytes of content are next, then so many of padding.
        case record(content: Int, padding: Int)
        case ended
        case failed
    }

    /// Records that have so much left go straight to where the bytes are wanted.
    private static let directBytes = 4096
    /// How many records one call of the system reads.
    private static let recordsAtOnce = 8
    /// The longest padding, and a head behind it.
    private static let longestGap = 255 + RecordHead.length
    /// What a connection needs of memory besides as much as the buffer that a body is read into: the gaps of records read
    /// at once, and room to put them back with the content between them.
    static let memoryForGaps = 2 * recordsAtOnce * longestGap

    private let connection: Connection
    private let request: UInt16
    private let announced: UInt64?
    private var received: UInt64 = 0
    private var state = State.between
    /// How much content the record at hand had at its start.
    private var recordLength = 0
    /// True once a record had the length of the one before it.
    private var isSteady = false

    /// - Parameters:
    ///   - request: the number that the web server has given the request.
    ///   - announced: how many bytes the web server says it has.
    init(_ connection: Connection, request: UInt16, announced: UInt64?) {
        self.connection = connection
        self.request = request
        self.announced = announced
    }

    /// A peer that goes away leaves the stream without its end, one that was cut off itself may end it too early: so both
    /// the end and the count are looked at.
    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BodyError) -> Int {
        // Full, however the web server cuts the stream: few large writes cost much less than many small ones.
        var filled = 0
        while filled < buffer.count {
            switch state {
            case .between:
                guard let head = RecordHead(connection.bytes) else {
                    if !connection.fill() { state = .failed }
                    continue
                }
                connection.drop(RecordHead.length)
                // ABORT_REQUEST, or what no web server sends here.
                guard head.version == RecordHead.version, head.kind == RecordHead.Kind.input, head.request == request
                else {
                    state = .failed
                    continue
                }
                isSteady = head.content == recordLength
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
                let room = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                let isDirect = connection.bytes.isEmpty && min(content, room.count) >= FastCGIBody.directBytes
                let count =
                    isDirect
                    ? gather(into: room, content, padding) : take(into: room, content, padding)
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

    /// Takes what is left of a record's content from the bytes that were read already, or from a few more.
    ///
    /// - Returns: how many bytes; 0 if nothing comes any more.
    private mutating func take(into room: UnsafeMutableRawBufferPointer, _ content: Int, _ padding: Int) -> Int {
        guard !connection.bytes.isEmpty || connection.fill() else { return 0 }
        let count = min(content, room.count, connection.bytes.count)
        room.copyMemory(from: UnsafeRawBufferPointer(rebasing: connection.bytes[..<count]))
        connection.drop(count)
        state = .record(content: content - count, padding: padding)
        return count
    }

    /// Reads what is left of a record's content straight to where it is wanted. A web server cuts a body into records of
    /// one length, but for the first and the last: so between them the next ones are read as well, as if they were as
    /// long. Where one isn't, what came is put back and looked at in order.
    ///
    /// - Returns: how many bytes of content; 0 if nothing comes any more.
    private mutating func gather(into room: UnsafeMutableRawBufferPointer, _ content: Int, _ padding: Int) -> Int {
        let gap = padding + RecordHead.length
        let gaps = connection.margin(FastCGIBody.recordsAtOnce * FastCGIBody.longestGap)
        return withUnsafeTemporaryAllocation(of: iovec.self, capacity: 2 * FastCGIBody.recordsAtOnce) { pieces in
            var (count, place, expected) = (0, 0, content)
            let end = min(room.count, connection.capacity - FastCGIBody.memoryForGaps)
            while count < (isSteady ? pieces.count : 2), place < end {
                let length = min(expected, end - place)
                pieces[count] = iovec(iov_base: room.baseAddress.map { $0 + place }, iov_len: length)
                pieces[count + 1] = iovec(iov_base: gaps.baseAddress.map { $0 + count / 2 * gap }, iov_len: gap)
                place += length
                // Where the room ends inside of a record, what is behind it stays where it is.
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

    /// True if that is the head of another record like the one at hand.
    private func isNext(_ head: RecordHead?, _ padding: Int) -> Bool {
        guard let head else { return false }
        return head.version == RecordHead.version && head.kind == RecordHead.Kind.input && head.request == request
            && head.content == recordLength && head.padding == padding
    }

    /// Throws away what is left, up to `limit` bytes. A web server that is still sending when it is answered may take
    /// that for an error.
    mutating func drain(through buffer: UnsafeMutableRawBufferPointer, limit: UInt64) {
        let start = received
        while received - start < limit {
            guard let count = try? read(into: buffer), count > 0 else { return }
        }
    }
}
