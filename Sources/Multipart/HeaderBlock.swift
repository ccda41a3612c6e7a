/// The header of one part, collected up to its empty line, then split into fields (RFC 5322, section 2.2).
///
/// All lines end in the line break that the body's first delimiter line has, and in nothing else: CR LF (RFC 2046), or
/// LF alone. A parser that accepted either in one body would see other parts in it than a stricter one in front of it.
struct HeaderBlock {
    private var bytes: [UInt8] = []
    private var lines = 0
    private var lineBreak = LineBreak.crlf

    /// One field: its name as it came, its value unfolded.
    typealias Field = (name: ArraySlice<UInt8>, value: ArraySlice<UInt8>)

    /// Prepares for the next part's header, and keeps the memory.
    mutating func clear(_ lineBreak: LineBreak) {
        self.lineBreak = lineBreak
        bytes.removeAll(keepingCapacity: true)
        lines = 0
    }

    /// Takes bytes of the input until the header is complete or the input ends.
    ///
    /// - Parameter offset: where to begin. It is moved past the bytes that were taken.
    /// - Returns: true if the header is complete.
    mutating func take(
        _ input: UnsafeRawBufferPointer, at offset: inout Int, limits: MultipartLimits
    ) throws(MultipartError) -> Bool {
        while offset < input.count {
            let length = lengthOfPlainLine(UnsafeRawBufferPointer(rebasing: input[offset...]), limits)
            if length > 0 {
                bytes += input[offset..<offset + length]
                offset += length
            } else {
                let byte = input[offset]
                offset += 1
                try take(byte, limits: limits)
                guard byte == ASCII.lineFeed else { continue }
            }
            if try isComplete(limits) { return true }
        }
        return false
    }

    /// The length of the line that the input begins with; 0 if the header does not continue with a whole line of which
    /// every byte is accepted. Such lines are taken at once, all others byte by byte.
    private func lengthOfPlainLine(_ input: UnsafeRawBufferPointer, _ limits: MultipartLimits) -> Int {
        guard bytes.isEmpty || bytes.last == ASCII.lineFeed else { return 0 }
        var previous: UInt8 = 0
        for (place, byte) in input.enumerated() {
            switch byte {
            case ASCII.lineFeed:
                let isEnd = (previous == ASCII.carriageReturn) == (lineBreak == .crlf)
                return isEnd && bytes.count + place < limits.headerBytes ? place + 1 : 0
            case ASCII.nul: return 0
            default: if previous == ASCII.carriageReturn { return 0 }
            }
            previous = byte
        }
        return 0
    }

    /// Takes the next byte.
    private mutating func take(_ byte: UInt8, limits: MultipartLimits) throws(MultipartError) {
        guard bytes.count < limits.headerBytes else { throw .headerTooLong(limit: limits.headerBytes) }
        guard byte != ASCII.nul else { throw .nulInHeader }
        switch lineBreak {
        case .crlf:
            guard (bytes.last == ASCII.carriageReturn) == (byte == ASCII.lineFeed) else { throw .bareLineBreak }
        case .lf:
            guard byte != ASCII.carriageReturn else { throw .bareLineBreak }
        }
        bytes.append(byte)
    }

    /// Judges the line that has just ended.
    ///
    /// - Returns: true if it is the empty line that ends the header.
    private mutating func isComplete(_ limits: MultipartLimits) throws(MultipartError) -> Bool {
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
        var rest = bytes[...]
        while let end = rest.firstIndex(of: ASCII.lineFeed) {
            var text = rest[..<end]
            rest = rest[(end + 1)...]
            if text.last == ASCII.carriageReturn { text.removeLast() }
            guard let first = text.first else { continue }
            if ASCII.isPadding(first) {
                guard let last = fields.indices.last else { throw .malformedHeaderLine }
                fields[last].value += text
            } else {
                guard let colon = text.firstIndex(of: ASCII.colon), colon > text.startIndex,
                    text[..<colon].allSatisfy(ASCII.isToken)
                else { throw .malformedHeaderLine }
                fields.append((text[..<colon], text[(colon + 1)...]))
            }
        }
        return fields
    }
}
