/// A text whose bytes are percent-encoded with capital letters, except for unreserved characters (RFC 3986, sections
/// 2.1 and 2.3).
///
/// - Parameter keepsSlashes: leaves `/` as it is, for paths.
package func percentEncoded(_ text: String, keepsSlashes: Bool = false) -> String {
    var encoded: [UInt8] = []
    encoded.reserveCapacity(text.utf8.count)
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            encoded.append(byte)
        case UInt8(ascii: "/") where keepsSlashes:
            encoded.append(byte)
        default:
            encoded += Array("%\(byte.hexDigits.uppercased())".utf8)
        }
    }
    return String(decoding: encoded, as: UTF8.self)
}
