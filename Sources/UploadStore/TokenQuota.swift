import Linux
import UploadModel

// The limit on how many uploads may be begun with one token (`TokenQuota`).
//
//     <state>/tokens/<SHA-256 of owner and token id>    the uploads that were begun with the token, one line for each event
//     <state>/tokens/complete                           there is a file for every token of which there is a journal
//
// An upload counts from when it is begun, whether or not its journal is still there: a finished one is forgotten when
// it expires, or when another one of its name replaces it. The lines, with a key of 64 and a nonce of 16 hexadecimal
// digits:
//
//     begun <key>               an upload of that key counts, unless one that counts is still under way
//     failed <key>              it could not be begun after all
//     finished <key> <nonce>    it is finished and was forgotten: the next one of that key counts again
//
// A client may begin an upload again that was removed before it was finished; that counts once. Lines are appended,
// each in one write. Counting and beginning hold a lock on the file; `finished` needs none. Lines that are cut off are
// ignored.

extension LocalStore {
    /// The folder for the tokens' files.
    static let tokensFolder = "tokens"
    /// The file that is locked while `complete` is made. Older releases locked tokens on it.
    static let tokenQuotaFile = "tickets"
    private static let completeFile = "complete"
    /// How long a token's file is kept after the last upload was begun or forgotten, in seconds: longer than any token
    /// should be valid.
    private static let tokenSeconds: UInt64 = 400 * 24 * 3600

    /// Calls `work`, which begins an upload, if the token of `chunk` allows one more.
    ///
    /// - Throws: `StoreError.quotaUsedUp` if it doesn't.
    func withTokenQuota<Result>(
        of chunk: ChunkRequest, _ work: () throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        guard let quota = chunk.quota else { return try work() }
        let key = UploadKey(chunk.upload)
        let file = try onDisk { () throws(FileError) in
            let folder = try state.folder(LocalStore.tokensFolder)
            try completeTokens(folder)
            let file = try folder.createForAppending(LocalStore.tokenFile(chunk.upload.owner, quota.tokenID))
            _ = try file.lock(offset: 0, length: 1, wait: true)
            return file
        }
        defer { file.unlock(offset: 0, length: 1) }
        let uploads = try onDisk { () throws(FileError) in try TokenUploads(file) }
        if uploads.underWay.contains(key.text) { return try work() }
        guard uploads.count < quota.limit else { throw .quotaUsedUp(limit: quota.limit) }
        try onDisk { () throws(FileError) in try file.append("begun \(key.text)") }
        do { return try work() } catch {
            try? file.append("failed \(key.text)")
            throw error
        }
    }

    /// Records that a finished upload is forgotten, or that another one is about to take its place, if it was begun
    /// with a token that has a limit.
    func forgetToken(of header: JournalHeader, _ key: UploadKey) throws(FileError) {
        guard let tokenID = header.tokenID, let owner = header.uploadID?.owner else { return }
        let file = try state.folder(LocalStore.tokensFolder)
            .createForAppending(LocalStore.tokenFile(owner, tokenID))
        try file.append("finished \(key.text) \(header.nonce.hexDigits)")
    }

    /// Removes the files of tokens that were not used for a long time.
    func sweepTokens() throws(StoreError) {
        try onDisk { () throws(FileError) in
            guard let folder = try state.existingFolder(LocalStore.tokensFolder) else { return }
            for name in try folder.names() where name != LocalStore.completeFile {
                guard let status = try folder.status(name), status.modified + LocalStore.tokenSeconds <= time else {
                    continue
                }
                try folder.remove(name)
            }
        }
    }

    private static func tokenFile(_ owner: Owner, _ tokenID: String) -> String {
        let texts = [owner.subject, owner.directory?.text ?? "", tokenID].map { Array($0.utf8) }
        // The lengths keep "ab" + "c" apart from "a" + "bc".
        return sha256Hex(texts.flatMap { Array("\($0.count):".utf8) + $0 })
    }

    /// Makes the files of all tokens that the journals name, once: older releases had no such files.
    private func completeTokens(_ folder: any Directory) throws(FileError) {
        if try folder.status(LocalStore.completeFile) != nil { return }
        let lock = try state.create(LocalStore.tokenQuotaFile)
        _ = try lock.lock(offset: 0, length: 1, wait: true)
        defer { lock.unlock(offset: 0, length: 1) }
        if try folder.status(LocalStore.completeFile) != nil { return }
        for name in try state.names() where name.hasSuffix(UploadFiles.journalSuffix) {
            guard let header = try state.open(name).map(JournalHeader.read) ?? nil, let tokenID = header.tokenID,
                let id = header.uploadID
            else { continue }
            let file = try folder.createForAppending(LocalStore.tokenFile(id.owner, tokenID))
            try file.append("begun \(UploadKey(id).text)")
            try file.sync()
        }
        try folder.sync()
        _ = try folder.create(LocalStore.completeFile)
    }
}

/// The uploads that were begun with one token.
private struct TokenUploads {
    /// How many count.
    private(set) var count = 0
    /// The keys of those that are not known to be finished.
    private(set) var underWay: Set<String> = []

    init(_ file: any File) throws(FileError) {
        var bytes = [UInt8](repeating: 0, count: Int(try file.status().size))
        let read = try bytes.withMutableBytes { buffer throws(FileError) in try file.read(into: buffer, at: 0) }
        let text = String(decoding: bytes[..<read], as: UTF8.self)
        var finished: Set<Substring> = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard words.count >= 2, words[1].utf8.count == 64 else { continue }
            switch (words[0], words.count) {
            case ("begun", 2):
                if underWay.insert(words[1]).inserted { count += 1 }
            case ("failed", 2):
                if underWay.remove(words[1]) != nil { count -= 1 }
            case ("finished", 3):
                // A process may have died before it removed the journal.
                guard finished.insert(line).inserted else { continue }
                if underWay.remove(words[1]) == nil { count += 1 }
            default:
                continue
            }
        }
    }
}

extension File {
    /// Appends a line to a file that was opened for appending.
    fileprivate func append(_ line: String) throws(FileError) {
        // The line break in front ends a line that was cut off.
        try Array("\n\(line)\n".utf8).withBytes { bytes throws(FileError) in try write(bytes, at: 0) }
    }
}
