/// The name of a file: one path component (PROTOCOL.md, Parameters).
///
/// Names that are legal at the client must not fail a file here. So a name has two forms: the one that the client sent,
/// which belongs to the identity of the upload, and the one that the file gets on disk. Two names that differ are two
/// uploads, even if the names on disk are the same.
package struct FileName: Sendable, Hashable, CustomStringConvertible {
    /// The longest name on disk, in bytes of UTF-8: the limit of Linux file systems.
    package static let maximumLength = 255
    /// The longest name that a client may send, in bytes of UTF-8. File systems have up to 255 characters or UTF-16
    /// code units, which is up to 765 bytes.
    package static let maximumSentLength = 4096

    /// The name on disk: that of the client, with a `_` for each control character (Unicode's C0, DEL and C1), and
    /// shortened by whole characters if it is longer than a name may be.
    package let text: String
    /// The name that the client sent, if it is another one.
    private let sent: String?

    /// The name that the client sent.
    package var original: String { sent ?? text }

    /// - Parameter parameter: the parameter that has the name, for the error.
    /// - Throws: `ParameterError.unusableName` if `text` is empty, `.` or `..`, has a slash, or is longer than
    ///   `maximumSentLength`.
    package init(_ text: String, parameter: String) throws(ParameterError) {
        guard !text.isEmpty else { throw .unusableName(parameter, "The file has no name") }
        guard text.utf8.count <= FileName.maximumSentLength else {
            throw .unusableName(parameter, "The file name is too long")
        }
        guard text != ".", text != "..", !text.utf8.contains(UInt8(ascii: "/")) else {
            throw .unusableName(parameter, "The file name is a path, not a name")
        }
        let isPlain = text.utf8.count <= FileName.maximumLength && !text.hasControls
        sent = isPlain ? nil : text
        self.text = isPlain ? text : FileName.sanitized(text)
    }

    /// True if the name on disk is the one that the client sent.
    package var isUnchanged: Bool { sent == nil }

    package var description: String { text }

    /// By bytes, as file systems compare names: names that are equivalent to Unicode are different files.
    package static func == (one: FileName, other: FileName) -> Bool { one.original.hasBytes(of: other.original) }

    package func hash(into hasher: inout Hasher) { for byte in original.utf8 { hasher.combine(byte) } }

    /// The name with a number before its extension, for a name that is taken: `name (1).ext`; the name itself for 0.
    /// The stem is shortened, by whole characters, if the result would be longer than a name may be.
    package func numbered(_ number: UInt64) -> String {
        guard number > 0 else { return text }
        let (stem, suffix) = FileName.stemAndExtension(text)
        return FileName.joined(stem, " (\(number))" + suffix)
    }

    private static func sanitized(_ name: String) -> String {
        let plain = String(String.UnicodeScalarView(name.unicodeScalars.map { $0.isControl ? "_" : $0 }))
        guard plain.utf8.count > maximumLength else { return plain }
        let (stem, suffix) = stemAndExtension(plain)
        return joined(stem, suffix)
    }

    /// Stem and tail in at most `maximumLength` bytes. The stem is shortened by whole characters, or by scalars if not
    /// even its first character fits.
    private static func joined(_ stem: String, _ tail: String) -> String {
        var short = stem
        while short.utf8.count + tail.utf8.count > maximumLength, !short.isEmpty { short.removeLast() }
        if short.isEmpty && !stem.isEmpty {
            short = stem
            while short.utf8.count + tail.utf8.count > maximumLength, !short.isEmpty {
                short.unicodeScalars.removeLast()
            }
        }
        return short + tail
    }

    /// An extension begins with the last dot, unless that is the first character or the rest is too long for an
    /// extension.
    private static func stemAndExtension(_ text: String) -> (stem: String, suffix: String) {
        guard let dot = text.utf8.lastIndex(of: UInt8(ascii: ".")), dot != text.startIndex else { return (text, "") }
        let suffix = text[dot...]
        guard suffix.utf8.count <= 32 else { return (text, "") }
        return (String(text[..<dot]), String(suffix))
    }
}

extension String {
    /// True if the text has a control character.
    fileprivate var hasControls: Bool {
        // Most names are ASCII, whose bytes are faster to look at.
        utf8.contains { $0 < 0x20 || $0 > 0x7e } && unicodeScalars.contains(where: \.isControl)
    }
}

extension Unicode.Scalar {
    /// True for Unicode's control characters, the category Cc: C0, DEL and C1.
    package var isControl: Bool { value < 0x20 || (0x7f...0x9f).contains(value) }
}
