import CLinux

/// Tells delimiter lines from data.
///
///     CR LF "--" boundary *(SP / HTAB) CR LF     a delimiter: a part's header follows
///     CR LF "--" boundary "--"                   the close delimiter
///
/// Anything else after the boundary makes the whole line data: `--boundary2` is no delimiter. (This is the grammar of
/// RFC 2046, section 5.1.1. A note below it would accept any line that begins like a delimiter, but then no boundary
/// could be the beginning of another one.)
///
/// A CR occurs only at the start of a delimiter and before its last byte. So nothing has to be read again after a
/// mismatch: another candidate can begin only at the byte that caused the mismatch.
///
/// A body whose first delimiter line ends in LF alone has LF in the place of every CR LF: some clients write it so, and
/// Werkzeug accepts it. The same holds then with LF in the place of CR. One body never mixes the two line breaks.
struct Delimiter {
    /// The result of judging a candidate.
    enum Verdict {
        /// All bytes match so far; more are needed.
        case open
        /// It is data.
        case mismatch
        /// A delimiter or, if `close`, the close delimiter.
        case match(close: Bool)
        /// A delimiter line whose padding exceeds the limit.
        case overlong
    }

    /// The line break of the body, "--" and the boundary.
    let bytes: [UInt8]
    let lineBreak: LineBreak
    private let maximumPadding: Int

    init(_ boundary: Boundary, lineBreak: LineBreak = .crlf, limits: MultipartLimits) {
        self.lineBreak = lineBreak
        bytes = lineBreak.bytes + Array("--".utf8) + boundary.bytes
        maximumPadding = limits.paddingBytes
    }

    /// True if the candidate is a delimiter line at the start of a body that ends in LF alone.
    ///
    /// - Parameters:
    ///   - byte: the next byte.
    ///   - count: how many bytes of the candidate match.
    ///   - last: the last one of them.
    func endsInLineFeed(_ byte: UInt8, after count: Int, last: UInt8) -> Bool {
        let hasTail = count > bytes.count
        return byte == ASCII.lineFeed && count >= bytes.count && (!hasTail || ASCII.isPadding(last))
    }

    /// Judges a candidate by its next byte. With `open` and `match` the byte belongs to the candidate.
    ///
    /// - Parameters:
    ///   - byte: the next byte.
    ///   - count: how many bytes of the candidate match.
    ///   - last: the last one of them. After the boundary, it decides which bytes may follow.
    @inline(__always)
    func judge(_ byte: UInt8, after count: Int, last: UInt8) -> Verdict {
        if count < bytes.count { return byte == bytes[count] ? .open : .mismatch }
        let inTail = count > bytes.count
        if lineBreak == .lf {
            switch (inTail && last == ASCII.hyphen, byte) {
            case (true, ASCII.hyphen): return .match(close: true)
            case (true, _): return .mismatch
            case (false, ASCII.lineFeed): return .match(close: false)
            case (false, ASCII.hyphen): return inTail ? .mismatch : .open
            case (false, ASCII.space), (false, ASCII.tab):
                return count - bytes.count < maximumPadding ? .open : .overlong
            default: return .mismatch
            }
        }
        switch (inTail, last, byte) {
        case (true, ASCII.carriageReturn, _): return byte == ASCII.lineFeed ? .match(close: false) : .mismatch
        case (true, ASCII.hyphen, _): return byte == ASCII.hyphen ? .match(close: true) : .mismatch
        case (_, _, ASCII.space), (_, _, ASCII.tab):
            return count - bytes.count < maximumPadding ? .open : .overlong
        case (_, _, ASCII.carriageReturn), (false, _, ASCII.hyphen): return .open
        default: return .mismatch
        }
    }

    /// The first offset at or after `start` of a candidate that the rest of the input doesn't contradict; the end of
    /// the input if there is none.
    ///
    /// `memmem` skips ahead by the length of the boundary; a search for CR would stop at about every 256th byte of a
    /// video. Candidates are judged in place, so bodies full of near-boundaries stay in one piece.
    func firstCandidate(in input: UnsafeRawBufferPointer, from start: Int) -> Int {
        guard let base = input.baseAddress else { return input.count }
        var index = start
        while let found = linux_find(base + index, input.count - index, bytes, bytes.count) {
            index = base.distance(to: found)
            let line = UnsafeRawBufferPointer(rebasing: input[index...])
            if tailMayFollow(line) { return index }
            index += bytes.count
        }
        // A candidate that the end of the input cuts off.
        for place in max(index, input.count - bytes.count + 1)..<input.count
        where input[place] == bytes[0] && bytes.starts(with: input[place...]) {
            return place
        }
        return input.count
    }

    /// True if the bytes after the boundary may be the rest of a delimiter line, as far as the input goes.
    private func tailMayFollow(_ line: UnsafeRawBufferPointer) -> Bool {
        for position in bytes.count..<line.count {
            switch judge(line[position], after: position, last: line[position - 1]) {
            case .open: continue
            case .mismatch: return false
            case .match, .overlong: return true
            }
        }
        return true
    }
}
