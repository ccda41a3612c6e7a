/// How much a body may ask of the parser. Every figure is a maximum that is still accepted, 0 or more.
///
/// What the parser itself keeps is bounded by `headerBytes + paddingBytes + 77` bytes, plus what a part's header turns
/// into. Nothing here bounds files: their bytes are handed on, and counting them is the caller's part.
public struct MultipartLimits: Sendable, Equatable {
    /// Parts in a body.
    public var parts: Int
    /// Lines in the header of one part; a folded line counts once for each line break.
    public var headerLines: Int
    /// Bytes in the header of one part, line breaks and the closing empty line included.
    public var headerBytes: Int
    /// Bytes in the name of one part, decoded.
    public var nameBytes: Int
    /// Bytes in the value of one field. A part is a field if it has no file name (see `MultipartParser.treatPartAsFile`).
    public var fieldBytes: Int
    /// Bytes in the values of all fields together.
    public var allFieldBytes: Int
    /// Bytes before the first delimiter (RFC 2046 calls them the preamble), its line break excluded.
    public var preambleBytes: Int
    /// Bytes behind the close delimiter: its padding, its line break and the epilogue. Most clients send 2.
    public var epilogueBytes: Int
    /// Bytes of padding (spaces and tabs) behind the boundary on one delimiter line.
    public var paddingBytes: Int

    /// Limits for a form; what is left out is generous for every known client of the upload route.
    public init(
        parts: Int = 100,
        headerLines: Int = 32,
        headerBytes: Int = 8 * 1024,
        nameBytes: Int = 255,
        fieldBytes: Int = 64 * 1024,
        allFieldBytes: Int = 256 * 1024,
        preambleBytes: Int = 8 * 1024,
        epilogueBytes: Int = 8 * 1024,
        paddingBytes: Int = 256
    ) {
        self.parts = parts
        self.headerLines = headerLines
        self.headerBytes = headerBytes
        self.nameBytes = nameBytes
        self.fieldBytes = fieldBytes
        self.allFieldBytes = allFieldBytes
        self.preambleBytes = preambleBytes
        self.epilogueBytes = epilogueBytes
        self.paddingBytes = paddingBytes
    }
}
