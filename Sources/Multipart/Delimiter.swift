import CLinux

/// How delimiter lines are told from data.
///
///     CR LF "--" boundary *(SP / HTAB) CR LF     a delimiter: a part's header follows
///     CR LF "--" boundary "--"                   the close delimiter
///
/// Anything else behind the boundary makes the whole line data: `--boundary2` delimits nothing. (The grammar of RFC
/// 2046, section 5.1.1, says so; a note below it would let the beginning of a line suffice, but then one boundary could
/// not be the beginning of another.)
///
/// CR stands only at the start of a delimiter and before its last byte, so after a mismatch nothing has to be read
/// again: no candidate can hide inside a refused one, other than at the byte that refuted it.
struct Delimiter {
    /// What a candidate turned out to be.
    enum Verdict {
        /// All bytes fit, more are needed.
        case open
        /// It is data.
        case mismatch
        /// A delimiter or, if `close`, the close delimiter.
        case match(close: Bool)
        /// It fits, but its padding is longer than the limit.
        case overlong
    }

    /// CR LF "--" boundary.
    let bytes: [UInt8]
    private let maximumPadding: Int

    init(_ boundary: Boundary, limits: MultipartLimits) {
        bytes = Array("\r\n--".utf8) + boundary.bytes
        maximumPadding = limits.paddingBytes
    }

    /// Judges a candidate by its next byte. Only `open` means that the byte belongs to a candidate that goes on.
    ///
    /// - Parameters:
    ///   - byte: the next byte.
    ///   - count: how many bytes of the candidate are known to fit.
    ///   - last: the last one of them; it alone tells what may follow behind the boundary.
    @inline(__always)
    func judge(_ byte: UInt8, after count: Int, last: UInt8) -> Verdict {
        if count < bytes.count { return byte == bytes[count] ? .open : .mismatch }
        let inTail = count > bytes.count
        switch (inTail, last, byte) {
        case (true, ASCII.carriageReturn, _): return byte == ASCII.lineFeed ? .match(close: false) : .mismatch
        case (true, ASCII.hyphen, _): return byte == ASCII.hyphen ? .match(close: true) : .mismatch
        case (_, _, ASCII.space), (_, _, ASCII.tab):
            return count - bytes.count < maximumPadding ? .open : .overlong
        case (_, _, ASCII.carriageReturn), (false, _, ASCII.hyphen): return .open
        default: return .mismatch
        }
    }

    /// The first place at or behind `start` where a candidate stands that is not yet refuted by the bytes that are
    /// there; the end of the input if there is none.
    ///
    /// `memmem` leaps by the length of the boundary, where looking for CR alone would stop every 256 bytes of a video. A
    /// candidate is refuted in place, so bodies full of near-boundaries stay one piece.
    func firstCandidate(in input: UnsafeRawBufferPointer, from start: Int) -> Int {
        guard let base = input.baseAddress else { return input.count }
        var index = start
        while let found = linux_find(base + index, input.count - index, bytes, bytes.count) {
            index = base.distance(to: found)
            let line = UnsafeRawBufferPointer(rebasing: input[index...])
            if tailMayFollow(line) { return index }
            index += bytes.count
        }
        // One that the input cuts off.
        for place in max(index, input.count - bytes.count + 1)..<input.count
        where input[place] == ASCII.carriageReturn && bytes.starts(with: input[place...]) {
            return place
        }
        return input.count
    }

    /// Whether what stands behind the boundary may be the rest of a delimiter line, as far as it is there.
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
