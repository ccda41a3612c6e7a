/// The head of a FastCGI record (FastCGI 1.0, section 3.3).
struct RecordHead {
    /// In bytes.
    static let length = 8
    static let version: UInt8 = 1
    static let largestContent = 65_535

    enum Kind {
        static let begin: UInt8 = 1
        static let parameters: UInt8 = 4
        static let input: UInt8 = 5
    }

    var version: UInt8
    var kind: UInt8
    /// Which request the record belongs to; 0 for those that are about the connection.
    var request: UInt16
    /// How many bytes of content follow, and of padding behind them.
    var content: Int
    var padding: Int

    /// The head at the start of `bytes`; nil while it isn't whole.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= RecordHead.length else { return nil }
        version = bytes[0]
        kind = bytes[1]
        request = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        content = Int(bytes[4]) << 8 | Int(bytes[5])
        padding = Int(bytes[6])
    }

    /// Appends a record without padding.
    static func append(_ kind: UInt8, _ request: UInt16, _ content: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
        let (high, low) = (UInt8(request >> 8), UInt8(request & 0xff))
        let count = content.count
        bytes += [version, kind, high, low, UInt8(count >> 8), UInt8(count & 0xff), 0, 0]
        bytes += content
    }
}
