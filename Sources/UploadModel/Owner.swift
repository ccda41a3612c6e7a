/// Whose an upload is, where uploads are told apart by that: two owners never share one, whatever identifiers and names
/// they send. And where the owner's finished files go.
package struct Owner: Sendable, Hashable {
    /// How many bytes of UTF-8 a subject may have.
    package static let maximumSubjectLength = 255

    /// Nobody in particular: all who come without a token, or with one that names no subject and no folder.
    package static let nobody = Owner()

    /// The owner's name, as the site calls him: opaque, never used as a path. Empty for nobody.
    package let subject: String
    /// The folder below the root that his finished files go to; nil: the root itself.
    package let directory: RelativePath?

    private init() {
        subject = ""
        directory = nil
    }

    /// Nil if `subject` is longer than 255 bytes or has a control character: those have no place in logs and lists.
    package init?(subject: String, directory: RelativePath? = nil) {
        guard subject.utf8.count <= Owner.maximumSubjectLength,
            !subject.unicodeScalars.contains(where: \.isControl)
        else { return nil }
        self.subject = subject
        self.directory = directory
    }

    /// By bytes, as identifiers are compared.
    package static func == (one: Owner, other: Owner) -> Bool {
        one.subject.hasBytes(of: other.subject) && one.directory == other.directory
    }

    package func hash(into hasher: inout Hasher) {
        for byte in subject.utf8 { hasher.combine(byte) }
        hasher.combine(directory)
    }
}
