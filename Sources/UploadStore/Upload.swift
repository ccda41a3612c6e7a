import Glibc
import Linux
import Synchronization
import UploadModel

/// An upload that this process has open: its journal, shared by all threads that work on it.
///
/// A lock on the journal's file excludes other processes while records are appended, and a mutex excludes the other
/// threads of this one. Neither is held while a client's bytes are written or synced.
final class Upload: Sendable {
    let id: UploadID
    let key: UploadKey
    /// The names of the two files in the state folder.
    let files: UploadFiles
    /// Where the finished file goes.
    let destination: Destination
    /// The size that the request stated with which the upload was begun; nil if it stated none. Then nothing is
    /// reserved.
    let declaredSize: UInt64?
    /// Up to which offset this process has reserved the file's space (`LocalStore.prepare`).
    let reserved = Atomic<UInt64>(0)
    /// How many bytes were recorded as held since the data file was synced last.
    let unsynced = Atomic<UInt64>(0)
    /// True once a chunk had to wait because of the limit of ranges.
    let isScattered = Atomic(false)
    /// True while the Flask backend may have left parts of it.
    let mayHaveParts = Atomic(true)
    /// The finished file, opened when a chunk of it was sent again. It stays readable if the application moves it away.
    let finishedFile = Lock<(any File)?>(nil)
    private let state: any Directory
    /// The data file's inode, as this process knows it; 0 until it has opened the file.
    private let dataInode = Atomic<UInt64>(0)
    /// How long the data file has been, in bytes, as far as this process knows: up to there, space was reserved or bytes
    /// are held. Only another program can have made it shorter.
    private let length = Atomic<UInt64>(0)
    private let journal: Lock<Journal>
    /// The journal's file, for the lock on `Journal.syncLock`.
    private let syncFile: any File
    private let broken = Atomic(false)
    private let syncs = Lock(Syncs())
    private let observe: StoreObserver

    /// The syncs of the upload that this process has begun and not ended.
    private struct Syncs {
        /// How many; while there are any, this process has locked `Journal.syncLock`.
        var count = 0
        /// The numbers of their `syncing` records.
        var numbers: Set<UInt64> = []
    }

    init(
        id: UploadID, key: UploadKey, files: UploadFiles, destination: Destination, state: any Directory,
        journal: consuming sending Journal, observe: @escaping StoreObserver
    ) {
        self.id = id
        self.key = key
        self.files = files
        self.destination = destination
        self.state = state
        self.observe = observe
        declaredSize = journal.header.size
        syncFile = journal.file
        self.journal = Lock(journal)
    }

    /// Calls `question` with the up-to-date journal, including the records of other processes. Nil if the upload was
    /// removed.
    func look<Result: Sendable>(_ question: (Journal) -> Result) throws(StoreError) -> Result? {
        try look { journal, _ in question(journal) }
    }

    /// The same, with the status of the journal's file.
    func look<Result: Sendable>(_ question: (Journal, FileStatus) -> Result) throws(StoreError) -> Result? {
        try journal.withLock { journal throws(StoreError) in
            if journal.isBroken { try remove(&journal) }
            let status = try onDisk { () throws(FileError) in try journal.file.status() }
            guard status.names > 0 else { return nil }
            if !journal.isUpToDate(status) {
                try onDisk { () throws(FileError) in try journal.refresh() }
            }
            if try onDisk({ () throws(FileError) in try isUntrusted(&journal) }) { return nil }
            return question(journal, status)
        }
    }

    /// Calls `work` with the up-to-date journal, locked against other threads and processes. If a sync fails in it, the
    /// upload is removed.
    ///
    /// - Returns: false, without calling `work`, if the upload was removed.
    func change(_ work: (inout Journal) throws(FileError) -> Void) throws(StoreError) -> Bool {
        try journal.withLock { journal throws(StoreError) in
            if journal.isBroken { try remove(&journal) }
            do throws(FileError) {
                return try journal.locked { journal throws(FileError) in
                    let status = try journal.file.status()
                    guard status.names > 0 else { return false }
                    if !journal.isUpToDate(status) { try journal.refresh() }
                    if try isUntrusted(&journal) { return false }
                    try work(&journal)
                    return true
                }
            } catch {
                guard journal.isBroken else { throw StoreError(error) }
                giveUp(&journal)
                throw .untrusted(StoreCause(error))
            }
        }
    }

    /// True if another process died in a sync: then the upload is opened anew, and salvaged (`LocalStore.salvage`).
    /// False if the data file has got its final name by then, which `LocalStore.settle` handles.
    private func isUntrusted(_ journal: inout Journal) throws(FileError) -> Bool {
        guard !journal.openSyncs.isEmpty else { return false }
        let (own, holdsLock) = syncs.withLock { ($0.numbers, $0.count > 0) }
        try journal.checkSyncs(own: own, holdsLock: holdsLock)
        guard journal.isSyncAbandoned else { return false }
        return try state.status(files.data) != nil
    }

    /// Calls `sync`, which syncs files of the upload. If it fails, the upload is removed: the kernel forgets the pages
    /// that it could not write, and a second sync would succeed without them. The client must send the whole file
    /// again, to a new data file: on ext4, bytes that are written again to the same blocks can read as zeros later,
    /// although their sync succeeds.
    func sync(_ sync: () throws(FileError) -> Void) throws(StoreError) {
        do { try sync() } catch {
            journal.withLock { journal in
                journal.distrust()
                giveUp(&journal)
            }
            throw .untrusted(StoreCause(error))
        }
    }

    /// Calls `work`, which syncs files of the upload, between the records `syncing` and `synced`: so that a later
    /// process learns of it if this one dies before it knows whether the sync has failed.
    ///
    /// - Parameter work: gets the number of the `syncing` record, and returns records to append when it has succeeded.
    /// - Throws: `StoreError.busy` if another process has been syncing for ten seconds, or has removed the upload.
    func syncing<Result>(
        _ work: (_ number: UInt64) throws(StoreError) -> (Result, [JournalRecord])
    ) throws(StoreError) -> Result {
        try beginSync()
        defer { endSync() }
        var number: UInt64 = 0
        let isBegun = try change { journal throws(FileError) in
            number = UInt64(journal.records)
            try journal.append([.syncing])
            syncs.withLock { _ = $0.numbers.insert(number) }
        }
        guard isBegun else { throw .busy }
        defer { syncs.withLock { _ = $0.numbers.remove(number) } }
        do throws(StoreError) {
            let (result, records) = try work(number)
            try close(number, with: records)
            return result
        } catch {
            // Nothing more can be recorded of an upload that was removed because a sync failed.
            if (try? look { !$0.isBroken }) == true { try? close(number, with: []) }
            throw error
        }
    }

    private func close(_ number: UInt64, with records: [JournalRecord]) throws(StoreError) {
        _ = try change { journal throws(FileError) in try journal.close(number, with: records) }
    }

    private func beginSync() throws(StoreError) {
        var budget = WaitBudget()
        while true {
            let isLocked = try syncs.withLock { syncs throws(StoreError) in
                if syncs.count == 0 {
                    let isLocked = try onDisk { () throws(FileError) in
                        try syncFile.lock(offset: Journal.syncLock, length: 1, wait: false)
                    }
                    if !isLocked { return false }
                }
                syncs.count += 1
                return true
            }
            if isLocked { return }
            guard budget.wait() else { throw .busy }
        }
    }

    private func endSync() {
        syncs.withLock { syncs in
            syncs.count -= 1
            if syncs.count == 0 { syncFile.unlock(offset: Journal.syncLock, length: 1) }
        }
    }

    /// Syncs the data file, and records that in the journal: the ranges held before survive a power cut.
    func syncData(_ file: any File) throws(StoreError) {
        unsynced.store(0, ordering: .relaxed)
        try syncing { number throws(StoreError) in
            try sync { () throws(FileError) in try file.sync() }
            return ((), [.durable(records: number)])
        }
    }

    // MARK: The data file

    /// Makes sure that no other program has damaged the data file: it must be the same file as before, and not shorter
    /// than it has been. If it is damaged, none of its ranges can be trusted, because bytes that were cut off read as
    /// zeros after the next chunk; so the upload is removed.
    ///
    /// - Parameters:
    ///   - status: of the data file.
    ///   - needed: `Journal.dataEnd`, if the caller looked at the journal before it asked for `status`.
    /// - Throws: `StoreError.untrusted` if the upload was removed.
    func checkData(_ status: FileStatus, needed: UInt64? = nil) throws(StoreError) {
        if let needed, isUndamaged(status, needed: needed) { return }
        let known = dataInode.compareExchange(expected: 0, desired: status.inode, ordering: .relaxed)
        let isSame = known.exchanged || known.original == status.inode
        guard let bounds = try look({ (end: $0.dataEnd, size: $0.size, isPublished: $0.isPublished) }),
            !bounds.isPublished
        else { return }
        // A file that was longer than its size is cut to that when it is published.
        let needed = max(bounds.end, min(length.load(ordering: .relaxed), bounds.size ?? .max))
        if isSame && status.size >= needed {
            // The file may be longer, because another process has reserved space.
            length.store(bounds.size.map { min($0, status.size) } ?? needed, ordering: .relaxed)
            return
        }
        let isRemoved = try journal.withLock { journal throws(StoreError) -> Bool in
            // It may have got its final name meanwhile, or have grown since `status` was read.
            guard let now = try onDisk({ () throws(FileError) in try state.status(files.data) }),
                now.size < needed || !known.exchanged && known.original != now.inode
            else { return false }
            try remove(&journal)
            return true
        }
        guard isRemoved else { return }
        let error = FileError(operation: "use", name: "\(files.data), which another program has changed", code: EIO)
        throw .untrusted(StoreCause(error))
    }

    /// True if the data file is known to be the same as before, and as long as it has been.
    ///
    /// - Parameter needed: `Journal.dataEnd`, read before `status`.
    func isUndamaged(_ status: FileStatus, needed: UInt64) -> Bool {
        status.inode == dataInode.load(ordering: .relaxed)
            && status.size >= max(needed, length.load(ordering: .relaxed))
    }

    /// Remembers that the data file has that length, because space was reserved up to there.
    func noteLength(_ end: UInt64) { length.max(end, ordering: .relaxed) }

    /// Remembers how long the data file is at least, now that bytes were recorded. It may be shorter than before: a last
    /// chunk that was kept behind the file is no longer needed when the file's size is known.
    func noteLength(of journal: Journal) {
        let known = min(length.load(ordering: .relaxed), journal.size ?? .max)
        length.store(max(known, journal.dataEnd), ordering: .relaxed)
    }

    /// True if a write up to `end` could hide that the data file was truncated: `checkData` has to come first. A write
    /// that ends before leaves the file shorter than it has been.
    func mayHideTruncation(writingTo end: UInt64) -> Bool { end >= length.load(ordering: .relaxed) }

    /// True if a sync failed and the upload's files could not be removed. It must stay in the cache: nothing on disk
    /// says that the upload cannot be trusted.
    var isBroken: Bool { broken.load(ordering: .relaxed) }

    /// True if the file had no final name when the journal was read last.
    var wasUnderWay: Bool { journal.withLock { !$0.isPublished } }

    private func giveUp(_ journal: inout Journal) {
        do throws(StoreError) { try remove(&journal) } catch { broken.store(true, ordering: .relaxed) }
    }

    /// Removes both files. The next request begins a new upload.
    private func remove(_ journal: inout Journal) throws(StoreError) {
        try onDisk { () throws(FileError) in
            try journal.locked { journal throws(FileError) in
                // If another process removed them, these names may belong to a new upload.
                guard try journal.file.status().names > 0 else { return }
                try state.remove(files.data)
                try state.remove(files.journal)
                // The next request may publish the file without a journal, which must not come back with a power cut.
                try? state.sync()
                let touched = (try? journal.file.status())?.modified ?? journal.header.begun
                if let summary = UploadSummary(journal, touched: touched, layout: .flat) {
                    observe(.removed(summary, .lost))
                }
            }
        }
    }
}

extension Journal {
    /// Calls `work` while the journal's file is locked against other openings.
    mutating func locked<Result>(
        _ work: (inout Journal) throws(FileError) -> Result
    ) throws(FileError) -> Result {
        _ = try file.lock(offset: 0, length: 1, wait: true)
        defer { file.unlock(offset: 0, length: 1) }
        return try work(&self)
    }
}
