import Glibc
import UploadModel

// From a request to its upload: known, begun now, or begun afresh.
//
// Two requests mean the same upload if identifier and filename are the same. Where they state different sizes:
//
//   - a finished upload gives way to a new one of another size;
//   - an upload under way keeps its size: the request is an error. A changed file under an old identifier would mix
//     with it otherwise, and of two senders nobody can say who is right;
//   - with `SizeChangePolicy.restart`, an upload under way begins afresh if nobody holds a range of it and nothing was
//     added to it for a minute. Only a chunk does that, a test never does: it is told that nothing is held.

extension LocalStore {
    /// How long a finished upload answers for a file that is no longer where it was put. Long enough for the retries
    /// of its last chunks while the site already moves the file away; then the same file may be sent anew.
    static let lateDuplicateSeconds: UInt64 = 15 * 60
    /// How long an upload must have been left alone before another size may restart it.
    static let quietSeconds: UInt64 = 60

    /// The upload, if there is one of that name.
    func find(_ id: UploadID) throws(StoreError) -> Upload? {
        let key = UploadKey(id)
        if let upload = cache[key] {
            if try upload.look(answers) == true { return upload }
            cache.drop(upload)
        }
        let journal = try onDisk { () throws(FileError) -> Journal? in
            guard let file = try state.open(key.journal) else { return nil }
            return try Journal.read(file)
        }
        guard let journal, let upload = try adopt(journal, id, key), try upload.look(answers) == true else {
            return nil
        }
        return cache.keep(upload)
    }

    /// The upload that a test asks about; nil if there is none, or one that would make way for the test's.
    func known(_ chunk: ChunkRequest) throws(StoreError) -> Upload? {
        guard let upload = try find(chunk.upload) else { return try hasParts(chunk) ? begin(chunk) : nil }
        guard let contradiction = try learn(chunk, upload) else { return upload }
        switch contradiction {
        case .finished: return nil
        case .underWay(let size, let touched):
            if settings.onSizeChange == .restart && touched + LocalStore.quietSeconds <= time { return nil }
            throw .sizeDiffers(known: size)
        }
    }

    /// The upload, begun if it isn't there, or if another one makes way for it.
    func begin(_ chunk: ChunkRequest) throws(StoreError) -> Upload {
        for _ in 0..<LocalStore.maximumAttempts {
            if let upload = try find(chunk.upload) {
                guard let contradiction = try learn(chunk, upload) else { return upload }
                try makeWay(upload, contradiction)
            }
            try admit(chunk)
            if let upload = try create(chunk) { return upload }
        }
        throw .busy
    }

    private enum Contradiction {
        case finished
        case underWay(size: UInt64, touched: UInt64)
    }

    /// Compares the sizes that a request states with those of the upload, and takes them over where it has none yet.
    private func learn(_ chunk: ChunkRequest, _ upload: Upload) throws(StoreError) -> Contradiction? {
        guard case .sized(let total, let chunkSize, _) = chunk.place else { return nil }
        func compare(_ journal: Journal) -> Contradiction? {
            // Without a size, more is held than a file of the stated one has.
            let size = journal.size ?? journal.heldEnd
            if size == total { return nil }
            if journal.isPublished { return .finished }
            return .underWay(size: size, touched: (try? journal.file.status())?.modified ?? time)
        }
        if let known = try upload.look({ (isKnown: $0.size != nil, contradiction: compare($0)) }), known.isKnown {
            return known.contradiction
        }
        _ = try upload.change { journal throws(FileError) in
            if journal.chunkSize == nil { try journal.append([.chunkSize(chunkSize)]) }
        }
        // The last chunk, if it is here already, tells the size itself.
        try placeTail(of: upload)
        _ = try upload.change { journal throws(FileError) in
            if journal.size == nil && journal.heldEnd <= total { try journal.append([.size(total)]) }
        }
        return try upload.look(compare) ?? nil
    }

    /// Removes an upload that another one of its name replaces.
    private func makeWay(_ upload: Upload, _ contradiction: Contradiction) throws(StoreError) {
        if case .underWay(let size, _) = contradiction {
            guard settings.onSizeChange == .restart,
                try removeIfQuiet(upload, seconds: LocalStore.quietSeconds, cause: .superseded)
            else {
                throw .sizeDiffers(known: size)
            }
        } else {
            _ = try upload.change { journal throws(FileError) in try forget(journal, upload.key) }
        }
        cache.drop(upload)
    }

    /// Begins an upload; nil if somebody else did, or was in the way and has gone: then look again.
    private func create(_ chunk: ChunkRequest) throws(StoreError) -> Upload? {
        try withTokenQuota(of: chunk) { () throws(StoreError) in try createAllowed(chunk) }
    }

    private func createAllowed(_ chunk: ChunkRequest) throws(StoreError) -> Upload? {
        let id = chunk.upload
        let key = UploadKey(id)
        let destination = try Destination(id, relativePath: chunk.relativePath, layout: settings.layout)
        try checkName(destination)
        let header = JournalHeader(begun: time, chunk: chunk)
        let files = UploadFiles(key: key, nonce: header.nonce)
        let file = try onDisk { () throws(FileError) in try state.create(key.journal) }
        let journal = try onDiskLocked(file) { () throws(StoreError) -> Journal? in
            let old = try onDisk { () throws(FileError) -> Journal? in
                guard try file.status().names > 0 else { return nil }
                return try Journal.read(file)
            }
            if let old {
                // A finished upload that no longer answers makes room; any other was begun by somebody faster.
                if old.isPublished && !answers(old) {
                    try onDisk { () throws(FileError) in try forget(old, key) }
                }
                return nil
            }
            guard try onDisk({ () throws(FileError) in try file.status().names > 0 }) else { return nil }
            // New, or half made by somebody who died: nothing of it was ever promised.
            do throws(StoreError) {
                // The journal comes first, and goes last: a process that dies in between leaves no data that nobody
                // knows of, and a journal without data is as good as none.
                var journal = try onDisk { () throws(FileError) in
                    try Journal.begin(file, header: header, boot: boot)
                }
                journal.trust()
                let data = try onDisk { () throws(FileError) in try state.create(files.data) }
                if let size = header.size { try reserve(size, for: data, isWritten: chunk.isWholeFile) }
                tell(journal) { .begun($0) }
                return journal
            } catch {
                // Nothing was begun, so nothing stays.
                try? state.remove(files.data)
                try? state.remove(key.journal)
                throw error
            }
        }
        guard let journal else { return nil }
        return cache.keep(
            Upload(
                id: id, key: key, files: files, destination: destination, state: state, journal: journal,
                observe: observe))
    }

    /// Refuses a name at once that would be refused in the end.
    private func checkName(_ destination: Destination) throws(StoreError) {
        do throws(FileError) {
            guard let folder = try destination.open(from: root) else { return }
            if settings.onConflict == .refuse, try folder.status(destination.filename.text) != nil {
                throw FileError(operation: "take", name: destination.filename.text, code: EEXIST)
            }
        } catch {
            if error.isNotAFolder || error.code == EEXIST { throw .nameTaken }
            throw StoreError(error)
        }
    }

    /// Makes an upload of a journal that was read from disk, after checking what may have been lost before. Nil if
    /// nothing is left of it.
    private func adopt(_ found: Journal, _ id: UploadID, _ key: UploadKey) throws(StoreError) -> Upload? {
        guard found.header.uploadID == id else {
            throw .failed(FileError(operation: "use", name: "\(key.journal), which is of another upload", code: 0))
        }
        let files = UploadFiles(key: key, nonce: found.header.nonce)
        let destination = try Destination(id, relativePath: found.header.relativePath, layout: settings.layout)
        let journal = try onDisk { () throws(FileError) -> Journal? in
            var journal = found
            do throws(FileError) {
                if case .announced = journal.publication {
                    try journal.locked { journal throws(FileError) in
                        try journal.refresh()
                        try settle(&journal, files, destination)
                    }
                }
                if journal.boot != boot && !journal.isPublished {
                    guard try recover(&journal, files) else { return nil }
                }
            } catch {
                if journal.isBroken {
                    try? state.remove(files.data)
                    try? state.remove(files.journal)
                    tell(journal) { .removed($0, .lost) }
                }
                throw error
            }
            journal.trust()
            return journal
        }
        return journal.map {
            Upload(
                id: id, key: key, files: files, destination: destination, state: state, journal: $0, observe: observe)
        }
    }

    /// False for a finished upload whose file is gone and whose late duplicates have had their time.
    private func answers(_ journal: Journal) -> Bool {
        guard case .done(let number, let inode, let finished) = journal.publication else { return true }
        if time < finished + LocalStore.lateDuplicateSeconds { return true }
        guard let id = journal.header.uploadID,
            let destination = try? Destination(
                id, relativePath: journal.header.relativePath, layout: settings.layout),
            let folder = try? destination.open(from: root)
        else { return false }
        return (try? folder.status(destination.filename.numbered(number)))??.inode == inode
    }
}

/// Runs work that needs the lock of a journal.
private func onDiskLocked<Result>(
    _ file: any File, _ work: () throws(StoreError) -> Result
) throws(StoreError) -> Result {
    _ = try onDisk { () throws(FileError) in try file.lock(offset: 0, length: 1, wait: true) }
    defer { file.unlock(offset: 0, length: 1) }
    return try work()
}

extension Journal {
    /// Where the last byte ends that is held in its place.
    fileprivate var heldEnd: UInt64 { held.ranges.last { $0.start < Journal.tailOffset }?.end ?? 0 }

    /// True once the file has its final name.
    var isPublished: Bool {
        if case .done = publication { true } else { false }
    }
}

extension JournalHeader {
    init(begun: UInt64, chunk: ChunkRequest) {
        var sizes: (total: UInt64?, chunk: UInt64?)
        if case .sized(let total, let chunkSize, _) = chunk.place { sizes = (total, chunkSize) }
        self.init(
            size: sizes.total, chunkSize: sizes.chunk, nonce: .random(in: 0 ... .max), begun: begun,
            texts: [chunk.upload.identifier, chunk.upload.filename.text, chunk.relativePath?.text ?? ""]
                + JournalHeader.texts(of: chunk.upload.owner, tokenID: chunk.quota?.tokenID ?? ""))
    }

    /// None for nobody without a ticket, so that a journal of theirs is as it always was.
    private static func texts(of owner: Owner, tokenID: String) -> [String] {
        owner == .nobody && tokenID.isEmpty ? [] : [owner.subject, owner.directory?.text ?? "", tokenID]
    }

    /// The upload that the journal is of; nil if its texts break the rules, which they don't unless somebody wrote them.
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

    /// The ticket that the upload was begun with; nil if it was none.
    var tokenID: String? { texts.count >= 6 && !texts[5].isEmpty ? texts[5] : nil }

    var relativePath: RelativePath? {
        texts.count >= 3 ? try? RelativePath(texts[2], parameter: "") : nil
    }
}
