import UploadModel

// The texts of a journal's header, by position:
//
//     0  identifier
//     1  file name
//     2  relative path
//     3  owner's subject      3 to 5 are there only if the upload has an owner or was begun with a token
//     4  owner's folder
//     5  token id
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
            size: sizes.total, chunkSize: sizes.chunk, nonce: .random(in: 0 ... .max), begun: begun,
            texts: [chunk.upload.identifier, chunk.upload.filename.original, chunk.relativePath?.original ?? ""]
                + JournalHeader.texts(of: chunk.upload.owner, tokenID: chunk.quota?.tokenID ?? ""))
    }

    private static func texts(of owner: Owner, tokenID: String) -> [String] {
        owner == .nobody && tokenID.isEmpty ? [] : [owner.subject, owner.directory?.text ?? "", tokenID]
    }

    /// The upload that the journal describes. Nil if its texts break the rules for names, which this program never
    /// writes.
    var uploadID: UploadID? {
        guard texts.count >= 2, let filename = try? FileName(texts[1], parameter: ""), let owner else { return nil }
        return try? UploadID(identifier: texts[0], filename: filename, owner: owner, parameter: "")
    }

    /// Nil if the texts break the rules.
    private var owner: Owner? {
        guard texts.count >= 5 else { return .nobody }
        if texts[4].isEmpty { return Owner(subject: texts[3]) }
        guard let directory = try? RelativePath(texts[4], parameter: "") else { return nil }
        return Owner(subject: texts[3], directory: directory)
    }

    /// The id of the token that the upload was begun with; nil if there was none.
    var tokenID: String? { texts.count >= 6 && !texts[5].isEmpty ? texts[5] : nil }

    /// The path that the client states for the file; nil if it states none.
    var relativePath: RelativePath? {
        texts.count >= 3 ? try? RelativePath(texts[2], parameter: "") : nil
    }
}
