/// The two encodings of parameter values whose bytes a quoted string cannot carry.
enum ValueEncoding {
    /// Decodes an extended value, `charset'language'percent-encoded` (RFC 8187, section 3.2, successor of RFC 5987).
    ///
    /// - Returns: the value in UTF-8; nil if the charset is neither UTF-8 nor ISO-8859-1, or the value is not valid in
    ///   it.
    static func extended(_ bytes: [UInt8]) -> [UInt8]? {
        let pieces = bytes.split(separator: ASCII.apostrophe, maxSplits: 2, omittingEmptySubsequences: false)
        guard pieces.count == 3, let value = percentDecoded(pieces[2]) else { return nil }
        switch ASCII.lowercasedToken(pieces[0]) {
        case "utf-8":
            return String(validating: value, as: UTF8.self) == nil ? nil : value
        case "iso-8859-1":
            // Every byte is the Unicode scalar of the same number.
            return value.flatMap { Array(String(Unicode.Scalar($0)).utf8) }
        default:
            return nil
        }
    }

    /// Decodes names and file names that a browser has escaped (WHATWG HTML, "multipart/form-data encoding algorithm"):
    /// `%22` is a quote, `%0D` and `%0A` are CR and LF. Browsers don't escape the percent sign itself, so nothing else
    /// may be decoded: `100%25` is a file of that name.
    static func browser(_ bytes: [UInt8]) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            let escaped: UInt8? =
                switch byte == ASCII.percent ? (rest.first, rest.dropFirst().first) : (nil, nil) {
                case (UInt8(ascii: "2"), UInt8(ascii: "2")): ASCII.quote
                case (UInt8(ascii: "0"), UInt8(ascii: "D")): ASCII.carriageReturn
                case (UInt8(ascii: "0"), UInt8(ascii: "A")): ASCII.lineFeed
                default: nil
                }
            if escaped != nil { rest = rest.dropFirst(2) }
            decoded.append(escaped ?? byte)
        }
        return decoded
    }

    private static func percentDecoded(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var rest = bytes
        while let byte = rest.popFirst() {
            guard byte == ASCII.percent else {
                decoded.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(ASCII.hexadecimal),
                let low = rest.popFirst().flatMap(ASCII.hexadecimal)
            else { return nil }
            decoded.append(high << 4 | low)
        }
        return decoded
    }
}
