/// Why a body, or the header that announces it, is not accepted. After the first error a parser accepts nothing more.
package enum MultipartError: Error, Equatable, Sendable {
    // The request's Content-Type.

    /// The header's value is not a media type with parameters (RFC 9110, section 8.3.1).
    case malformedMediaType
    /// The media type is not `multipart/form-data`.
    case notFormData
    /// `multipart/form-data` without a `boundary` parameter.
    case boundaryMissing
    /// The boundary isn't 1 to 70 of the permitted characters, or it ends in a space (RFC 2046, section 5.1.1).
    case boundaryInvalid

    // The frame.

    /// The body ended before its close delimiter.
    case truncated
    /// There are more than `limit` bytes before the first delimiter.
    case preambleTooLong(limit: Int)
    /// There are more than `limit` bytes after the close delimiter.
    case epilogueTooLong(limit: Int)
    /// A delimiter line has more than `limit` bytes of spaces and tabs after the boundary.
    case paddingTooLong(limit: Int)
    /// The body has more than `limit` parts.
    case tooManyParts(limit: Int)

    // A part's header.

    /// A part's header has more than `limit` lines.
    case tooManyHeaderLines(limit: Int)
    /// A part's header has more than `limit` bytes.
    case headerTooLong(limit: Int)
    /// A header has a NUL byte.
    case nulInHeader
    /// A header has a line break other than that of the body's first line.
    case bareLineBreak
    /// A header line has no colon, has no valid name before it, or continues a line that doesn't exist.
    case malformedHeaderLine
    /// A part has a header twice that may occur once.
    case repeatedHeader
    /// A part has no `Content-Disposition` (RFC 7578, section 4.2).
    case dispositionMissing
    /// A part's `Content-Disposition` is malformed, or names a parameter twice.
    case malformedDisposition
    /// A part's disposition is not `form-data`.
    case dispositionNotFormData
    /// A part's disposition has no `name`.
    case nameMissing
    /// A part's name has more than `limit` bytes.
    case nameTooLong(limit: Int)
    /// A part's `Content-Transfer-Encoding` changes the bytes (base64, quoted-printable or unknown).
    case transferEncodingUnsupported

    // A part's value.

    /// The value of a field has more than `limit` bytes.
    case fieldTooLong(limit: Int)
    /// The values of all fields together have more than `limit` bytes.
    case fieldsTooLong(limit: Int)

    /// One line for the client, about the form that it sent. It reveals nothing internal.
    package var message: String {
        switch self {
        case .malformedMediaType: "The Content-Type header cannot be read."
        case .notFormData: "The Content-Type is not multipart/form-data."
        case .boundaryMissing: "The Content-Type header has no boundary."
        case .boundaryInvalid: "The boundary in the Content-Type header is not valid."
        case .truncated: "The form ends too early."
        case .preambleTooLong(let limit): "The form has more than \(limit) bytes before its first part."
        case .epilogueTooLong(let limit): "The form has more than \(limit) bytes after its last part."
        case .paddingTooLong(let limit): "A boundary line of the form has more than \(limit) bytes of spaces."
        case .tooManyParts(let limit): "The form has more than \(limit) parts."
        case .tooManyHeaderLines(let limit): "A part of the form has more than \(limit) header lines."
        case .headerTooLong(let limit): "A part of the form has a header of more than \(limit) bytes."
        case .nulInHeader: "A part of the form has a NUL byte in its header."
        case .bareLineBreak: "A part of the form has a mixed or bare line break in its header."
        case .malformedHeaderLine: "A part of the form has a header line that cannot be read."
        case .repeatedHeader: "A part of the form repeats a header."
        case .dispositionMissing: "A part of the form has no Content-Disposition."
        case .malformedDisposition: "A part of the form has a Content-Disposition that cannot be read."
        case .dispositionNotFormData: "A part of the form has a disposition other than form-data."
        case .nameMissing: "A part of the form has no name."
        case .nameTooLong(let limit): "A part of the form has a name of more than \(limit) bytes."
        case .transferEncodingUnsupported: "A part of the form has a transfer encoding that is not supported."
        case .fieldTooLong(let limit): "A field of the form has more than \(limit) bytes."
        case .fieldsTooLong(let limit): "The fields of the form have more than \(limit) bytes together."
        }
    }
}
