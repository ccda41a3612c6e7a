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
    /// True if the size was known when the upload was begun, so that space for the whole file was reserved, or free for
    /// a chunk that is the whole file.
    let isReserved: Bool
    /// How many bytes were recorded as held since the data file was synced last.
    let unsynced = Atomic<UInt64>(0)
    /// True while the Flask backend may have left parts of it.
    let mayHaveParts = Atomic(true)
    /// The finished file, opened when a chunk of it was sent again. It stays readable if the application moves it away.
    let finishedFile = Lock<(any File)?>(nil)
    private let state: any Directory
    private let journal: Lock<Journal>
    private let broken = Atomic(false)
    private let observe: StoreObserver

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
        isReserved = journal.header.size != nil
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

    /// Syncs the data file, and records that in the journal: the ranges held before survive a power cut.
    func syncData(_ file: any File) throws(StoreError) {
        unsynced.store(0, ordering: .relaxed)
        guard let records = try look({ UInt64($0.records) }) else { return }
        try sync { () throws(FileError) in try file.sync() }
        _ = try change { journal throws(FileError) in try journal.append([.durable(records: records)]) }
    }

    /// True if a sync failed and the upload's files could not be removed. It must stay in the cache: nothing on disk
    /// says that the upload cannot be trusted.
    var isBroken: Bool { broken.load(ordering: .relaxed) }

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
