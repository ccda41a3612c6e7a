/// A parser of `multipart/form-data` bodies (RFC 7578, RFC 2046): bytes in, events out, no I/O.
///
///     var parser = MultipartParser(boundary: boundary)
///     while /* fill buffer, count > 0 */ {
///         var offset = 0
///         while let event = try parser.next(input, at: &offset) { ... }
///     }
///     try parser.finish()
///
/// Theory of operation. Data are never copied: they are returned as ranges of the input. The parser searches for the
/// delimiter. Where an input ends inside a candidate, the candidate's bytes (at most a delimiter line) are held. The
/// next input either completes the delimiter, or doesn't, and the held bytes are returned as data. A delimiter at the
/// start of the body, or right after a part's header, lacks its own CR LF; the parser finds it by pretending that a CR
/// LF was held.
///
/// Wherever the inputs are cut, the events and the final error are the same, except for how data are split. Time is
/// linear in the body; memory is bounded by the limits.
package struct MultipartParser: Sendable {
    /// The element of the body that the bytes between two delimiters belong to.
    private enum Section { case preamble, field, file }

    private enum State {
        /// Searching for a delimiter; none has begun.
        case searching(Section)
        /// `candidate` matches so far. Its first `pretended` bytes were not read, or belong to the header before it.
        case matching(Section, pretended: Int)
        /// Collecting a part's header.
        case header
        /// The close delimiter was read; `ended` is to be returned.
        case closed
        /// After the close delimiter, by this many bytes.
        case epilogue(Int)
        /// An error was thrown.
        case failed(MultipartError)
    }

    private let limits: MultipartLimits
    private let boundary: Boundary
    private var delimiter: Delimiter
    private var state = State.matching(.preamble, pretended: 2)
    private var candidate = Array("\r\n".utf8)
    private var header = HeaderBlock()
    private var parts = 0
    private var preambleBytes = 0
    private var fieldBytes = 0
    private var allFieldBytes = 0

    /// A parser for one body.
    package init(boundary: Boundary, limits: MultipartLimits = MultipartLimits()) {
        self.limits = limits
        self.boundary = boundary
        delimiter = Delimiter(boundary, limits: limits)
    }

    /// The next event.
    ///
    /// - Parameters:
    ///   - input: a piece of the body, of any size. Pass the same piece until nil is returned.
    ///   - offset: where in the piece to continue, in bytes; 0 for a new piece. It is moved past the bytes that were
    ///     read.
    /// - Returns: the event; nil if the piece is used up.
    /// - Throws: the first error, and the same error in all later calls.
    package mutating func next(
        _ input: UnsafeRawBufferPointer,
        at offset: inout Int
    ) throws(MultipartError) -> MultipartEvent? {
        do throws(MultipartError) {
            return try advance(input, &offset)
        } catch {
            state = .failed(error)
            throw error
        }
    }

    /// To be called at the end of the body.
    ///
    /// - Throws: `truncated` if the close delimiter is missing, or the error that came before.
    package func finish() throws(MultipartError) {
        switch state {
        case .closed, .epilogue: return
        case .failed(let error): throw error
        case .searching, .matching, .header: throw .truncated
        }
    }

    /// Removes the field limits from the part that has just begun, because the caller streams it. Needed for a file
    /// without a file name; parts with one have no field limits.
    package mutating func treatPartAsFile() {
        switch state {
        case .searching(.field): state = .searching(.file)
        case .matching(.field, let pretended): state = .matching(.file, pretended: pretended)
        default: break
        }
    }

    private mutating func advance(
        _ input: UnsafeRawBufferPointer,
        _ offset: inout Int
    ) throws(MultipartError) -> MultipartEvent? {
        while true {
            switch state {
            case .closed:
                state = .epilogue(0)
                return .ended
            case .failed(let error):
                throw error
            case _ where offset >= input.count:
                return nil
            case .searching(let section):
                if let event = try search(section, input, &offset) { return event }
            case .matching(let section, let pretended):
                if let event = try match(section, pretended, input, &offset) { return event }
            case .header:
                if let event = try collectHeader(input, &offset) { return event }
            case .epilogue(let seen):
                let count = seen + input.count - offset
                guard count <= limits.epilogueBytes else { throw .epilogueTooLong(limit: limits.epilogueBytes) }
                offset = input.count
                state = .epilogue(count)
            }
        }
    }

    /// Returns all bytes up to the next candidate, or begins to match it.
    private mutating func search(
        _ section: Section,
        _ input: UnsafeRawBufferPointer,
        _ offset: inout Int
    ) throws(MultipartError) -> MultipartEvent? {
        let start = offset
        let end = delimiter.firstCandidate(in: input, from: start)
        guard end > start else {
            candidate.removeAll(keepingCapacity: true)
            state = .matching(section, pretended: 0)
            return nil
        }
        offset = end
        let count = try admit(end - start, to: section)
        return section == .preamble ? nil : .data(start..<(start + count))
    }

    /// Reads on until the candidate is decided or the input ends.
    private mutating func match(
        _ section: Section,
        _ pretended: Int,
        _ input: UnsafeRawBufferPointer,
        _ offset: inout Int
    ) throws(MultipartError) -> MultipartEvent? {
        // Most inputs have all of the delimiter.
        let rest = delimiter.bytes.dropFirst(candidate.count)
        if input[offset...].starts(with: rest) {
            candidate += rest
            offset += rest.count
        }
        while offset < input.count {
            let byte = input[offset]
            if section == .preamble, pretended > 0,
                delimiter.endsInLineFeed(byte, after: candidate.count, last: candidate.last ?? 0)
            {
                // The body begins with a delimiter line that ends in LF: so does every line to come.
                delimiter = Delimiter(boundary, lineBreak: .lf, limits: limits)
                offset += 1
                header.clear(.lf)
                state = .header
                return nil
            }
            switch delimiter.judge(byte, after: candidate.count, last: candidate.last ?? 0) {
            case .open:
                candidate.append(byte)
                offset += 1
            case .mismatch:
                // The byte itself is not consumed: a new candidate may begin with it.
                state = .searching(section)
                let held = candidate[pretended...]
                guard !held.isEmpty else { return nil }
                let count = try admit(held.count, to: section)
                return section == .preamble ? nil : .heldData(held.prefix(count))
            case .match(let close):
                offset += 1
                header.clear(delimiter.lineBreak)
                state = close ? .closed : .header
                return section == .preamble ? nil : .partEnded
            case .overlong:
                throw .paddingTooLong(limit: limits.paddingBytes)
            }
        }
        return nil
    }

    private mutating func collectHeader(
        _ input: UnsafeRawBufferPointer,
        _ offset: inout Int
    ) throws(MultipartError) -> MultipartEvent? {
        guard try header.take(input, at: &offset, limits: limits) else { return nil }
        parts += 1
        guard parts <= limits.parts else { throw .tooManyParts(limit: limits.parts) }
        let part = try PartHeader(header, limits: limits)
        fieldBytes = 0
        candidate.removeAll(keepingCapacity: true)
        candidate += delimiter.lineBreak.bytes
        state = .matching(part.filename == nil ? .field : .file, pretended: delimiter.lineBreak.bytes.count)
        return .partBegan(part)
    }

    /// Counts bytes that belong to no delimiter.
    ///
    /// - Returns: how many of them are within the limits. If that is not all of them, the next call throws the error,
    ///   so that the events before it don't depend on where the input was cut.
    private mutating func admit(_ count: Int, to section: Section) throws(MultipartError) -> Int {
        switch section {
        case .file:
            return count
        case .preamble:
            preambleBytes += count
            guard preambleBytes <= limits.preambleBytes else { throw .preambleTooLong(limit: limits.preambleBytes) }
            return count
        case .field:
            let room = limits.fieldBytes - fieldBytes
            let roomForAll = limits.allFieldBytes - allFieldBytes
            let admitted = min(count, room, roomForAll)
            fieldBytes += admitted
            allFieldBytes += admitted
            guard admitted < count else { return count }
            let error: MultipartError =
                room <= roomForAll
                ? .fieldTooLong(limit: limits.fieldBytes) : .fieldsTooLong(limit: limits.allFieldBytes)
            guard admitted > 0 else { throw error }
            state = .failed(error)
            return admitted
        }
    }
}
