/// A media type with its parameters: the value of a Content-Type header (RFC 9110, section 8.3.1).
///
///     let type = try MediaType(contentType.utf8)
///     switch type.essence {
///     case "multipart/form-data": ...
///     case "application/octet-stream": ...
///     default: ...
///     }
package struct MediaType: Sendable, Equatable {
    /// The longest header value that is accepted, in bytes.
    package static let maximumBytes = 1024

    /// The part before the slash, in lower case.
    package let type: String
    /// The part after the slash, in lower case.
    package let subtype: String
    /// The parameters, at most 16: names in lower case, values without quotes and escapes.
    package let parameters: [String: [UInt8]]

    /// Type and subtype with the slash between them, in lower case.
    package var essence: String { "\(type)/\(subtype)" }

    /// Reads a Content-Type header's value.
    ///
    /// - Throws: `MultipartError.malformedMediaType`, also for more than `maximumBytes` bytes, more than 16 parameters,
    ///   or one given twice.
    package init(_ value: some Collection<UInt8>) throws(MultipartError) {
        guard value.count <= Self.maximumBytes, let parsed = ParameterizedValue(Array(value)[...]) else {
            throw .malformedMediaType
        }
        let words = parsed.word.split(separator: ASCII.slash, omittingEmptySubsequences: false)
        guard words.count == 2, let type = ASCII.lowercasedToken(words[0]),
            let subtype = ASCII.lowercasedToken(words[1])
        else { throw .malformedMediaType }
        self.type = type
        self.subtype = subtype
        parameters = Dictionary(parsed.parameters.map { ($0.name, $0.value) }) { first, _ in first }
    }
}
