public import UploadModel

/// A store in one folder of this machine.
///
///     <root>/<filename>               finished files
///     <root>/.resumabled/<key>.data     an upload's bytes, each at its place in the file
///     <root>/.resumabled/<key>.journal  what is held of them (`JournalFormat`); stays after the end, as the answer to
///                                     late duplicates
///
/// Whoever writes has a lock on exactly his range of the data file, and publishing needs one on the whole (`Publishing`):
/// so nobody writes where another writes, and no byte changes once the file has its final name. Locks belong to an
/// opening of the file and end with it, so a process that dies leaves none behind.
public final class LocalStore: ChunkStore {
    /// The folder below the root that holds what is unfinished.
    public static let stateFolder = ".resumabled"

    let root: any Directory
    let state: any Directory
    private let boot: BootID
    private let now: @Sendable () -> UInt64
    private let cache: UploadCache

    /// How long a finished upload answers for a file that is no longer where it was put. Long enough for the retries
    /// of its last chunks while the site already moves the file away; then the same file may be sent anew.
    static let lateDuplicateSeconds: UInt64 = 15 * 60

    /// Opens the store in `root`.
    ///
    /// - Parameters:
    ///   - boot: which run of the machine this is (`BootID.current`).
    ///   - now: the time in Unix seconds.
    /// - Throws: `StoreError` if the state folder can't be made or opened.
    public init(
        root: any Directory, boot: BootID, openUploads: Int = 256, now: @escaping @Sendable () -> UInt64
    ) throws(StoreError) {
        self.root = root
        self.boot = boot
        self.now = now
        state = try onDisk { () throws(FileError) in try root.folder(LocalStore.stateFolder) }
        cache = UploadCache(capacity: openUploads)
    }

    public func status(of id: UploadID) throws(StoreError) -> UploadStatus? {
        guard let upload = try find(id, UploadFiles(id)) else { return nil }
        // A process may have died between the last chunk and the final name: who asks must not be told that all is
        // held while the file isn't there.
        if try upload.look({ $0.coversFile && !$0.isPublished }) == true { _ = try publish(upload) }
        return try upload.look { journal in
            UploadStatus(size: journal.header.size, held: journal.held, complete: journal.isPublished)
        }
    }

    public func receive(
        upload id: UploadID, size: UInt64, layout: ChunkLayout
    ) throws(StoreError) -> any ChunkWriter {
        for _ in 0..<LocalStore.maximumAttempts {
            let upload = try begin(id, size: size)
            if let writer = try LocalWriter(store: self, upload: upload, layout: layout) { return writer }
        }
        throw .busy
    }

    public func spool() throws(StoreError) -> Spool {
        Spool(try onDisk { () throws(FileError) in try state.createNameless() })
    }

    /// Finishes what a process left half done when it died: uploads that are complete get their names.
    ///
    /// - Returns: what could not be finished, with the cause.
    public func recover() -> [StoreError] {
        var failures: [StoreError] = []
        do {
            let names = try onDisk { () throws(FileError) in try state.names() }
            for name in names where name.hasSuffix(UploadFiles.journalSuffix) {
                do throws(StoreError) { try recover(name) } catch { failures.append(error) }
            }
        } catch {
            failures.append(error)
        }
        return failures
    }

    private func recover(_ name: String) throws(StoreError) {
        let journal = try onDisk { () throws(FileError) -> Journal? in
            guard let file = try state.open(name) else { return nil }
            return try Journal.read(file)
        }
        guard let journal, !journal.isPublished, journal.coversFile, let id = journal.header.uploadID else { return }
        _ = try status(of: id)
    }

    /// How often a request starts again because the upload was finished or removed under its hands.
    private static let maximumAttempts = 16

    /// The upload, if there is one.
    private func find(_ id: UploadID, _ files: UploadFiles) throws(StoreError) -> Upload? {
        if let upload = cache[files] {
            if try upload.look(answers) == true { return upload }
            cache.drop(upload)
        }
        let journal = try onDisk { () throws(FileError) -> Journal? in
            guard let file = try state.open(files.journal) else { return nil }
            return try Journal.read(file)
        }
        guard let journal else { return nil }
        let upload = try adopt(journal, id, files)
        guard try upload.look(answers) == true else { return nil }
        return cache.keep(upload)
    }

    /// The upload, begun if it isn't there, or if a finished one of that name is over.
    private func begin(_ id: UploadID, size: UInt64) throws(StoreError) -> Upload {
        let files = UploadFiles(id)
        for _ in 0..<LocalStore.maximumAttempts {
            if let upload = try find(id, files) {
                if upload.size == size { return upload }
                guard try upload.look({ $0.isPublished }) == true else { throw .sizeDiffers(known: upload.size) }
                try discard(upload)
            }
            let journal = try onDisk { () throws(FileError) -> Journal? in
                let file = try state.create(files.journal)
                _ = try file.lock(offset: 0, length: 1, wait: true)
                defer { file.unlock(offset: 0, length: 1) }
                guard try file.status().names > 0 else { return nil }
                if let journal = try Journal.read(file) {
                    // A finished upload that no longer answers makes room; any other was begun by somebody faster.
                    if journal.isPublished && !answers(journal) { try state.remove(files.journal) }
                    return nil
                }
                // New, or half made by somebody who died: nothing of it was ever promised.
                try state.remove(files.data)
                _ = try state.create(files.data)
                let header = JournalHeader(size: size, begun: now(), id: id)
                var journal = try Journal.begin(file, header: header, boot: boot)
                journal.trust()
                return journal
            }
            if let journal { return cache.keep(Upload(id: id, files: files, journal: journal)) }
        }
        throw .busy
    }

    /// Makes an upload of a journal that was read from disk, after checking what may have been lost before.
    private func adopt(
        _ found: Journal, _ id: UploadID, _ files: UploadFiles
    ) throws(StoreError) -> Upload {
        guard found.header.uploadID == id else {
            throw .failed(FileError(operation: "use", name: "\(files.journal), which is of another upload", code: 0))
        }
        return try onDisk { () throws(FileError) in
            var journal = found
            if case .announced = journal.publication {
                try journal.locked { journal throws(FileError) in
                    try journal.refresh()
                    try journal.settle(files, self)
                }
            }
            if journal.boot != boot && !journal.isPublished { try journal.recover(from: state, files, boot: boot) }
            journal.trust()
            return Upload(id: id, files: files, journal: journal)
        }
    }

    /// Removes the record of a finished upload.
    private func discard(_ upload: Upload) throws(StoreError) {
        _ = try upload.change { _ throws(FileError) in try state.remove(upload.files.journal) }
        cache.drop(upload)
    }

    /// False for a finished upload whose file is gone and whose late duplicates have had their time.
    private func answers(_ journal: Journal) -> Bool {
        guard case .done(let number, let inode, let time) = journal.publication else { return true }
        if now() < time + LocalStore.lateDuplicateSeconds { return true }
        guard let id = journal.header.uploadID else { return false }
        return (try? root.status(id.filename.numbered(number)))??.inode == inode
    }

    /// The time in Unix seconds.
    var time: UInt64 { now() }
}

extension Journal {
    /// True once the file has its final name.
    var isPublished: Bool {
        if case .done = publication { true } else { false }
    }
}

extension JournalHeader {
    init(size: UInt64, begun: UInt64, id: UploadID) {
        self.init(
            size: size, nonce: .random(in: 0 ... .max), begun: begun, texts: [id.identifier, id.filename.text])
    }

    /// The upload that the journal is of; nil if its texts break the rules, which they don't unless somebody wrote them.
    var uploadID: UploadID? {
        guard texts.count >= 2, let filename = try? FileName(texts[1], parameter: "") else { return nil }
        return try? UploadID(identifier: texts[0], filename: filename, parameter: "")
    }
}
