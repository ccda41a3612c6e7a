/// The boundary of a multipart body: 1 to 70 `bchars`, of which the last is no space (RFC 2046, section 5.1.1).
///
/// A boundary cannot contain a CR, which keeps the search simple: no delimiter can begin inside another one.
package struct Boundary: Sendable, Equatable {
    /// The boundary's bytes, without the two hyphens before it in the body.
    package let bytes: [UInt8]

    /// The boundary that a `multipart/form-data` media type names.
    ///
    /// - Throws: `notFormData`, `boundaryMissing` or `boundaryInvalid`.
    package init(_ mediaType: MediaType) throws(MultipartError) {
        guard mediaType.essence == "multipart/form-data" else { throw .notFormData }
        guard let bytes = mediaType.parameters["boundary"] else { throw .boundaryMissing }
        guard (1...70).contains(bytes.count), bytes.allSatisfy(ASCII.isBoundary), bytes.last != ASCII.space else {
            throw .boundaryInvalid
        }
        self.bytes = bytes
    }

    /// The boundary that a Content-Type header's value names.
    ///
    /// - Throws: as the other initializer, and `malformedMediaType`.
    package init(contentType: some Collection<UInt8>) throws(MultipartError) {
        try self.init(MediaType(contentType))
    }
}
