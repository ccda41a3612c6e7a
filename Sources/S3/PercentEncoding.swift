/// Percent-encoding (RFC 3986, section 2.1) in the answers of S3. For requests, `percentEncoded` writes it as AWS's
/// signatures need it.
package enum PercentEncoding {
    /// Decodes a key from a listing with `encoding-type=url`. `+` is a space there, and a plus sign is `%2B`.
    ///
    /// - Returns: nil if a percent sign is followed by anything but two hexadecimal digits, or if the bytes are not
    ///   UTF-8.
    package static func decode(_ text: String) -> String? {
        var decoded: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case 0x2b: decoded.append(0x20)
            case 0x25:
                guard let high = rest.popFirst().flatMap(value), let low = rest.popFirst().flatMap(value) else {
                    return nil
                }
                decoded.append(high << 4 | low)
            default: decoded.append(byte)
            }
        }
        return String(validating: decoded, as: UTF8.self)
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46: digit - 0x37
        case 0x61...0x66: digit - 0x57
        default: nil
        }
    }
}
