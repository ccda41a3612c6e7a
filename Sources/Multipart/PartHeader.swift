/// The header of a part (RFC 7578, sections 4.2 to 4.4).
package struct PartHeader: Sendable, Equatable {
    /// The field's name, decoded: bytes in the encoding of the form, in practice UTF-8.
    package let name: [UInt8]
    /// The file's name, decoded; nil for a field, empty for a file without a name. Never use it as a path as it is.
    package let filename: [UInt8]?
    /// The part's media type; nil if there is none or it is malformed, since a page may give its data any type.
    package let contentType: MediaType?

    /// The name as text; nil if it is not UTF-8.
    package var nameText: String? { String(validating: name, as: UTF8.self) }
    /// The file's name as text; nil if there is none or it is not UTF-8.
    package var filenameText: String? { filename.flatMap { String(validating: $0, as: UTF8.self) } }

    /// Reads a part's header fields.
    init(_ block: HeaderBlock, limits: MultipartLimits) throws(MultipartError) {
        var disposition: ArraySlice<UInt8>?
        var type: ArraySlice<UInt8>?
        var transferEncoding: ArraySlice<UInt8>?
        for (name, value) in try block.fields() {
            if ASCII.isWord(name, "content-disposition") {
                try Self.set(&disposition, value)
            } else if ASCII.isWord(name, "content-type") {
                try Self.set(&type, value)
            } else if ASCII.isWord(name, "content-transfer-encoding") {
                try Self.set(&transferEncoding, value)
            }
        }
        // RFC 7578, section 4.7, deprecates this header. These three values leave the bytes as they are; with any other
        // value the part's bytes would not be the file's bytes.
        if let transferEncoding {
            let encoding = ASCII.lowercasedToken(ASCII.trimmed(transferEncoding))
            guard let encoding, ["7bit", "8bit", "binary"].contains(encoding) else {
                throw .transferEncodingUnsupported
            }
        }
        guard let disposition else { throw .dispositionMissing }
        (name, filename) = try Self.readDisposition(disposition)
        guard name.count <= limits.nameBytes else { throw .nameTooLong(limit: limits.nameBytes) }
        contentType = type.flatMap { try? MediaType($0) }
    }

    private static func set(
        _ value: inout ArraySlice<UInt8>?, _ new: ArraySlice<UInt8>
    ) throws(MultipartError) {
        guard value == nil else { throw .repeatedHeader }
        value = new
    }

    private static func readDisposition(
        _ value: ArraySlice<UInt8>
    ) throws(MultipartError) -> (name: [UInt8], filename: [UInt8]?) {
        guard let parsed = ParameterizedValue(value) else { throw .malformedDisposition }
        guard ASCII.isWord(parsed.word, "form-data") else { throw .dispositionNotFormData }
        guard let name = parsed["name"] else { throw .nameMissing }
        // RFC 6266, section 4.3: the extended form is preferred, and ignored if it is malformed.
        let plain = parsed["filename"].map(ValueEncoding.browser)
        let extended = parsed["filename*"]
        let filename = extended.flatMap(ValueEncoding.extended) ?? plain
        // Without any name, a file would be taken for a field.
        guard filename != nil || extended == nil else { throw .malformedDisposition }
        return (ValueEncoding.browser(name), filename)
    }
}
