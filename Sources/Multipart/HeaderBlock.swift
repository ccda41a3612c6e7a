/// The header of one part, collected byte by byte up to its empty line, then split into fields (RFC 5322, section 2.2).
///
/// All lines end in the line break that the body's first delimiter line has, and in nothing else: CR LF (RFC 2046), or
/// LF alone. A parser that accepted either in one body would see other parts in it than a stricter one in front of it.
struct HeaderBlock {
    private var bytes: [UInt8] = []
    private var lines = 0
    private var lineBreak = LineBreak.crlf

    /// One field: its name in lower case, its value unfolded.
    typealias Field = (name: String, value: [UInt8])

    /// Prepares for the next part's header, and keeps the memory.
    mutating func clear(_ lineBreak: LineBreak) {
        self.lineBreak = lineBreak
        bytes.removeAll(keepingCapacity: true)
        lines = 0
    }

    /// Takes the next byte.
    ///
    /// - Returns: true if the header is complete with it.
    mutating func take(_ byte: UInt8, limits: MultipartLimits) throws(MultipartError) -> Bool {
        guard bytes.count < limits.headerBytes else { throw .headerTooLong(limit: limits.headerBytes) }
        guard byte != ASCII.nul else { throw .nulInHeader }
        switch lineBreak {
        case .crlf:
            guard (bytes.last == ASCII.carriageReturn) == (byte == ASCII.lineFeed) else { throw .bareLineBreak }
        case .lf:
            guard byte != ASCII.carriageReturn else { throw .bareLineBreak }
        }
        bytes.append(byte)
        guard byte == ASCII.lineFeed else { return false }
        let length = lineBreak == .crlf ? 2 : 1
        let before = bytes.dropLast(length)
        if before.isEmpty || before.last == ASCII.lineFeed { return true }
        lines += 1
        guard lines <= limits.headerLines else { throw .tooManyHeaderLines(limit: limits.headerLines) }
        return false
    }

    /// The fields in order. A line that begins with padding continues the line before it: its line break is removed,
    /// its padding is kept (RFC 5322, section 2.2.3).
    func fields() throws(MultipartError) -> [Field] {
        var fields: [Field] = []
        for line in bytes.split(separator: ASCII.lineFeed) {
            let text = line.last == ASCII.carriageReturn ? line.dropLast() : line
            guard let first = text.first else { continue }
            if ASCII.isPadding(first) {
                guard let last = fields.indices.last else { throw .malformedHeaderLine }
                fields[last].value += text
            } else {
                guard let colon = text.firstIndex(of: ASCII.colon),
                    let name = ASCII.lowercasedToken(text[..<colon])
                else { throw .malformedHeaderLine }
                fields.append((name, Array(text[(colon + 1)...])))
            }
        }
        return fields
    }
}
