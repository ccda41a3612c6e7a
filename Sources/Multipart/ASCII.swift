/// The ASCII characters and character classes that the grammars of RFC 2045, RFC 2046 and RFC 8187 name.
enum ASCII {
    static let nul: UInt8 = 0x00
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let quote = UInt8(ascii: "\"")
    static let percent = UInt8(ascii: "%")
    static let apostrophe = UInt8(ascii: "'")
    static let hyphen = UInt8(ascii: "-")
    static let colon = UInt8(ascii: ":")
    static let semicolon = UInt8(ascii: ";")
    static let slash = UInt8(ascii: "/")
    static let equals = UInt8(ascii: "=")
    static let backslash = UInt8(ascii: "\\")

    /// `LWSP-char` (RFC 822): pads a delimiter line and separates the words of a header.
    static func isPadding(_ byte: UInt8) -> Bool {
        byte == space || byte == tab
    }

    /// `ALPHA / DIGIT`.
    static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: false
        }
    }

    /// `tchar` (RFC 9110, section 5.6.2): the characters in names of headers, media types and parameters.
    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        // A bit for each character. Every form is full of tokens, and this is four times as fast as comparing.
        let bits: UInt64 = byte < 64 ? 0x03ff_6cfa_0000_0000 : byte < 128 ? 0x57ff_ffff_c7ff_fffe : 0
        return bits >> UInt64(byte & 63) & 1 == 1
    }

    /// An upper-case letter in lower case, and any other byte as it is.
    @inline(__always)
    static func lowercased(_ byte: UInt8) -> UInt8 {
        byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
    }

    /// True if the bytes are this text, which is in lower case, in upper or lower case.
    static func isWord(_ bytes: ArraySlice<UInt8>, _ text: StaticString) -> Bool {
        guard bytes.count == text.utf8CodeUnitCount else { return false }
        var next = text.utf8Start
        for byte in bytes {
            guard lowercased(byte) == next.pointee else { return false }
            next += 1
        }
        return true
    }

    /// `bchars` (RFC 2046, section 5.1.1): the characters of a boundary.
    static func isBoundary(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) || "'()+_,-./:=? ".utf8.contains(byte)
    }

    /// The value of a hexadecimal digit of either case.
    static func hexadecimal(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// A token in lower case; nil if the bytes are no token (RFC 9110, section 5.6.2).
    static func lowercasedToken(_ bytes: ArraySlice<UInt8>) -> String? {
        guard !bytes.isEmpty, bytes.allSatisfy(isToken) else { return nil }
        return bytes.withUnsafeBufferPointer { bytes in
            String(unsafeUninitializedCapacity: bytes.count) { text in
                for place in bytes.indices { text.initializeElement(at: place, to: lowercased(bytes[place])) }
                return bytes.count
            }
        }
    }

    /// The bytes without the padding around them.
    static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var rest = bytes.drop(while: isPadding)
        while let last = rest.last, isPadding(last) { rest.removeLast() }
        return rest
    }
}
