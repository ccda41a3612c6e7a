package import UploadModel

/// The part of an upload's file names that identifies the upload: a SHA-256 in hexadecimal. Identifiers and file names
/// come from clients and may contain anything, so they never become names in the state folder themselves.
package struct UploadKey: Hashable, Sendable {
    /// 64 hexadecimal digits.
    package let text: String

    /// The key of `id`.
    package init(_ id: UploadID) {
        let identifier = Array(id.identifier.utf8)
        // The lengths keep "ab" + "c" apart from "a" + "bc". The letters keep uploads with an owner or a path apart
        // from those without.
        var owner: [UInt8] = []
        if id.owner != .nobody {
            let subject = Array(id.owner.subject.utf8)
            let directory = Array((id.owner.directory?.text ?? "").utf8)
            owner = Array("o\(subject.count):\(directory.count):".utf8) + subject + directory
        }
        var path: [UInt8] = []
        if let original = id.path?.original { path = Array("p\(original.utf8.count):\(original)".utf8) }
        text = sha256Hex(owner + path + Array("\(identifier.count):".utf8) + identifier + id.filename.original.utf8)
    }

    var journal: String { text + UploadFiles.journalSuffix }
}
