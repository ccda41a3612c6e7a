/// The identity of an upload. Requests that agree in all of it belong to the same upload (PROTOCOL.md, How bytes are
/// matched to files).
package struct UploadID: Sendable, Hashable {
    /// The longest identifier, in bytes of UTF-8.
    package static let maximumIdentifierLength = 1024

    /// The owner of the upload.
    package let owner: Owner
    /// The client's name for the upload: opaque, never used as a path.
    package let identifier: String
    /// The file's name.
    package let filename: FileName
    /// The file's path below the folder that the person picked, where the layout of finished files uses it: two files
    /// of one name in different folders are two uploads. Nil elsewhere.
    package var path: RelativePath?

    /// - Throws: `ParameterError.invalid` unless `identifier` has 1 to 1,024 bytes and no NUL.
    package init(
        identifier: String, filename: FileName, owner: Owner = .nobody, path: RelativePath? = nil, parameter: String
    ) throws(ParameterError) {
        guard !identifier.isEmpty, identifier.utf8.count <= UploadID.maximumIdentifierLength else {
            throw .invalid(parameter, "must have 1 to \(UploadID.maximumIdentifierLength) bytes")
        }
        guard !identifier.utf8.contains(0) else { throw .invalid(parameter, "must not contain a NUL byte") }
        self.owner = owner
        self.identifier = identifier
        self.filename = filename
        self.path = path
    }

    /// Compares by bytes, as file names are compared.
    package static func == (one: UploadID, other: UploadID) -> Bool {
        one.identifier.hasBytes(of: other.identifier) && one.filename == other.filename
            && one.owner == other.owner && one.path == other.path
    }

    package func hash(into hasher: inout Hasher) {
        for byte in identifier.utf8 { hasher.combine(byte) }
        hasher.combine(filename)
        hasher.combine(owner)
        hasher.combine(path)
    }
}
