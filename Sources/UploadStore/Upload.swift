import Linux
import Synchronization
package import UploadModel

/// One upload as this process knows it: its journal, shared by all threads that work on it.
///
/// The journal's own file lock keeps other processes out while a record is appended; the mutex does the same for the
/// threads of this one. Neither is held while a client's bytes are written or synced.
final class Upload: Sendable {
    let id: UploadID
    let key: UploadKey
    /// The names of the two files in the state folder.
    let files: UploadFiles
    /// Where the finished file is to lie.
    let destination: Destination
    /// True where the room of the whole file was reserved, or there for a chunk that is all of it: its size was known when
    /// it was begun.
    let isReserved: Bool
    /// Bytes that were held since the data file was synced last.
    let unsynced = Atomic<UInt64>(0)
    /// True as long as parts that the Flask backend left may be there for it.
    let mayHaveParts = Atomic(true)
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

    /// What the journal says now, also of what other processes did; nil once the upload was removed.
    func look<Result: Sendable>(_ question: (Journal) -> Result) throws(StoreError) -> Result? {
        try look { journal, _ in question(journal) }
    }

    /// The same, for a question that is also about the journal's file.
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

    /// Changes the journal while nobody else can. If a sync fails meanwhile, the upload is given up.
    ///
    /// - Returns: false, and nothing was done, once the upload was removed.
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
                throw .untrusted(error)
            }
        }
    }

    /// Syncs what belongs to the upload. If that fails, the upload is given up: the kernel forgets what it could not
    /// write, and a second sync would succeed without it. So all of the file must come again, and into a new one: on ext4,
    /// bytes that are written once more to blocks that were lost can read as zeros later although their sync succeeds.
    func sync(_ sync: () throws(FileError) -> Void) throws(StoreError) {
        do { try sync() } catch {
            journal.withLock { journal in
                journal.distrust()
                giveUp(&journal)
            }
            throw .untrusted(error)
        }
    }

    /// Syncs the data file, and says so in the journal: after a power cut, what is held now need not be checked.
    func syncData(_ file: any File) throws(StoreError) {
        unsynced.store(0, ordering: .relaxed)
        guard let records = try look({ UInt64($0.records) }) else { return }
        try sync { () throws(FileError) in try file.sync() }
        _ = try change { journal throws(FileError) in try journal.append([.durable(records: records)]) }
    }

    /// True if it was given up and its files could not be removed: must not be forgotten.
    var isBroken: Bool { broken.load(ordering: .relaxed) }

    private func giveUp(_ journal: inout Journal) {
        do throws(StoreError) { try remove(&journal) } catch { broken.store(true, ordering: .relaxed) }
    }

    /// Removes both files; the next request begins the upload anew.
    private func remove(_ journal: inout Journal) throws(StoreError) {
        try onDisk { () throws(FileError) in
            try journal.locked { journal throws(FileError) in
                // If another process was first, these are the names of a new upload.
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
    /// Does `work` while the journal's file is locked.
    mutating func locked<Result>(
        _ work: (inout Journal) throws(FileError) -> Result
    ) throws(FileError) -> Result {
        _ = try file.lock(offset: 0, length: 1, wait: true)
        defer { file.unlock(offset: 0, length: 1) }
        return try work(&self)
    }
}

/// The names under which an upload stands in the state folder.
struct UploadFiles: Hashable, Sendable {
    static let journalSuffix = ".journal"
    static let dataSuffix = ".data"
    let journal: String
    let data: String

    /// - Parameter nonce: of the journal. The data file's name has it, so that the journal of one attempt never speaks
    ///   for the data of another, whatever a power cut leaves of both.
    init(key: UploadKey, nonce: UInt64) {
        journal = key.journal
        let digits = String(nonce, radix: 16)
        data = key.text + "-" + String(repeating: "0", count: 16 - digits.count) + digits + UploadFiles.dataSuffix
    }
}

/// What stands for an upload in the names of its files. Identifier and name can say anything: only their SHA-256 becomes
/// part of a name.
package struct UploadKey: Hashable, Sendable {
    let text: String

    /// The key of that upload.
    package init(_ id: UploadID) {
        let identifier = Array(id.identifier.utf8)
        // The lengths in front keep "ab" + "c" apart from "a" + "bc", and the letter somebody's uploads from nobody's.
        var owner: [UInt8] = []
        if id.owner != .nobody {
            let subject = Array(id.owner.subject.utf8)
            let directory = Array((id.owner.directory?.text ?? "").utf8)
            owner = Array("o\(subject.count):\(directory.count):".utf8) + subject + directory
        }
        text = sha256Hex(owner + Array("\(identifier.count):".utf8) + identifier + id.filename.text.utf8)
    }

    var journal: String { text + UploadFiles.journalSuffix }
}
