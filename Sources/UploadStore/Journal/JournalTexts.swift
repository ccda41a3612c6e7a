import UploadModel

// The texts of a journal's header, by position:
//
//     0  identifier
//     1  file name
//     2  relative path
//     3  owner's subject
//     4  owner's folder
//     5  token id
//     6  when the file was last modified at the client, in milliseconds since the Unix epoch, in decimal
//     7  the path that is part of the upload's identity (layout `tree`)
//     8  the finished files that the upload may turn out to be, separated by spaces: each the number in its name, its
//        inode, when it was finished and its digest (`EarlierFile`), in hexadecimal digits, separated by colons
//
// A text that doesn't apply is empty. A header may end after any text but the first; the texts it lacks don't apply.

extension JournalHeader {
    /// The header of an upload that begins with `chunk`, with a random nonce.
    ///
    /// - Parameter begun: the time in Unix seconds.
    init(begun: UInt64, chunk: ChunkRequest) {
        var sizes: (total: UInt64?, chunk: UInt64?)
        if case .sized(let total, let chunkSize, _) = chunk.place { sizes = (total, chunkSize) }
        self.init(
            size: sizes.total, chunkSize: sizes.chunk, nonce: Nonce.next(), begun: begun,
            texts: [chunk.upload.identifier, chunk.upload.filename.original, chunk.relativePath?.original ?? ""]
                + JournalHeader.texts(of: chunk))
    }

    /// The texts from the fourth on, up to the last one that applies.
    private static func texts(of chunk: ChunkRequest) -> [String] {
        let owner = chunk.upload.owner
        var texts = [
            owner.subject, owner.directory?.text ?? "", chunk.quota?.tokenID ?? "",
            chunk.lastModified.map(String.init) ?? "", chunk.upload.path?.original ?? "",
        ]
        while texts.last?.isEmpty == true { texts.removeLast() }
        return texts
    }

    /// The upload that the journal describes. Nil if its texts break the rules for names, which this program never
    /// writes.
    var uploadID: UploadID? {
        guard texts.count >= 2, let filename = try? FileName(texts[1], parameter: ""), let owner else { return nil }
        var path: RelativePath?
        if let text = text(7) {
            path = try? RelativePath(text, parameter: "")
            guard path != nil else { return nil }
        }
        return try? UploadID(identifier: texts[0], filename: filename, owner: owner, path: path, parameter: "")
    }

    /// Nil if the texts break the rules.
    private var owner: Owner? {
        let subject = text(3) ?? ""
        guard let folder = text(4) else { return Owner(subject: subject) }
        guard let directory = try? RelativePath(folder, parameter: "") else { return nil }
        return Owner(subject: subject, directory: directory)
    }

    /// The id of the token that the upload was begun with; nil if there was none.
    var tokenID: String? { text(5) }

    /// When the file was last modified at the client, in milliseconds since the Unix epoch; nil if that was not stated.
    var lastModified: UInt64? { text(6).flatMap { UInt64($0) } }

    /// The text at that position; nil if it doesn't apply.
    private func text(_ index: Int) -> String? {
        texts.count > index && !texts[index].isEmpty ? texts[index] : nil
    }

    /// The path that the client states for the file; nil if it states none.
    var relativePath: RelativePath? {
        texts.count >= 3 ? try? RelativePath(texts[2], parameter: "") : nil
    }
}
