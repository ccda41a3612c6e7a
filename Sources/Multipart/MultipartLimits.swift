/// The parser's limits. Every figure is the largest that is accepted, 0 or more.
///
/// The parser itself keeps at most `headerBytes + paddingBytes + 77` bytes, plus the values of a part's header. Files
/// have no limit here: their bytes are passed on, and the caller counts them.
package struct MultipartLimits: Sendable, Equatable {
    /// Parts in a body.
    package var parts: Int
    /// Lines in the header of one part; a folded line counts once for each line break.
    package var headerLines: Int
    /// Bytes in the header of one part, line breaks and the closing empty line included.
    package var headerBytes: Int
    /// Bytes in the name of one part, decoded.
    package var nameBytes: Int
    /// Bytes in the value of one field. A part is a field if it has no file name (see
    /// `MultipartParser.treatPartAsFile`).
    package var fieldBytes: Int
    /// Bytes in the values of all fields together.
    package var allFieldBytes: Int
    /// Bytes before the first delimiter (the preamble of RFC 2046), without its line break.
    package var preambleBytes: Int
    /// Bytes after the close delimiter: its padding, its line break and the epilogue. Most clients send 2.
    package var epilogueBytes: Int
    /// Bytes of padding (spaces and tabs) after the boundary on one delimiter line.
    package var paddingBytes: Int

    /// Limits for a form. The defaults are generous for every known client of the upload route.
    package init(
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
