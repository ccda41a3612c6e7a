/// The owner of an upload, and the folder of the owner's finished files (PROTOCOL.md, Upload tokens). Two owners never
/// share an upload, whatever identifiers and names their clients send.
package struct Owner: Sendable, Hashable {
    /// The longest subject, in bytes of UTF-8.
    package static let maximumSubjectLength = 255

    /// No owner: the requests without a token, and those whose token has neither a subject nor a folder.
    package static let nobody = Owner()

    /// The site's name for the owner: opaque, never used as a path. Empty if there is none.
    package let subject: String
    /// The folder below the root that the owner's finished files go to; nil: the root itself.
    package let directory: RelativePath?

    private init() {
        subject = ""
        directory = nil
    }

    /// Nil if `subject` is longer than 255 bytes or has a control character, which would harm logs and lists.
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
