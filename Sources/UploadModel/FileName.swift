/// The name of a file as its sender calls it: one component, never a path (contract, "Requests").
package struct FileName: Sendable, Hashable, CustomStringConvertible {
    /// How many bytes of UTF-8 a name may have: what Linux file systems take.
    package static let maximumLength = 255

    /// The name as it was sent.
    package let text: String

    /// - Throws: `ParameterError.invalid` unless `text` has 1 to 255 bytes of UTF-8, is neither `.` nor `..`, and has
    ///   no slash and no control character (Unicode's C0 and C1).
    package init(_ text: String, parameter: String) throws(ParameterError) {
        guard !text.isEmpty, text.utf8.count <= FileName.maximumLength else {
            throw .invalid(parameter, "must have 1 to \(FileName.maximumLength) bytes")
        }
        guard text != ".", text != "..", !text.utf8.contains(UInt8(ascii: "/")) else {
            throw .invalid(parameter, "must be a plain file name without a path")
        }
        guard !text.unicodeScalars.contains(where: \.isControl) else {
            throw .invalid(parameter, "must not contain control characters")
        }
        self.text = text
    }

    package var description: String { text }

    /// By bytes, as file systems compare names: those that are equivalent to Unicode are different files.
    package static func == (one: FileName, other: FileName) -> Bool { one.text.hasBytes(of: other.text) }

    package func hash(into hasher: inout Hasher) { for byte in text.utf8 { hasher.combine(byte) } }

    /// The name with a number before its extension, for when it is taken: `name (1).ext`; the name itself for 0.
    /// The stem is shortened, by whole characters, where the result would be longer than a name may be.
    package func numbered(_ number: UInt64) -> String {
        guard number > 0 else { return text }
        var (stem, suffix) = stemAndExtension
        let tail = " (\(number))" + suffix
        while stem.utf8.count + tail.utf8.count > FileName.maximumLength, !stem.isEmpty { stem.removeLast() }
        return stem + tail
    }

    /// An extension is what follows the last dot, unless the dot comes first or the rest is too long for one.
    private var stemAndExtension: (stem: String, suffix: String) {
        guard let dot = text.utf8.lastIndex(of: UInt8(ascii: ".")), dot != text.startIndex else { return (text, "") }
        let suffix = text[dot...]
        guard suffix.utf8.count <= 32 else { return (text, "") }
        return (String(text[..<dot]), String(suffix))
    }
}

extension Unicode.Scalar {
    /// True for Unicode's control characters, the category Cc: C0, DEL and C1, in every version.
    package var isControl: Bool { value < 0x20 || (0x7f...0x9f).contains(value) }
}
