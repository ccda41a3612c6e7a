import Linux
import Synchronization
import UploadModel

/// One upload as this process knows it: its journal, shared by all threads that work on it.
///
/// The journal's own file lock keeps other processes out while a record is appended; the mutex does the same for the
/// threads of this one. Neither is held while a client's bytes are written.
final class Upload: Sendable {
    let id: UploadID
    /// The names of the two files in the state folder.
    let files: UploadFiles
    let size: UInt64
    private let journal: Lock<Journal>

    init(id: UploadID, files: UploadFiles, journal: consuming sending Journal) {
        self.id = id
        self.files = files
        size = journal.header.size
        self.journal = Lock(journal)
    }

    /// What the journal says now, also of what other processes did; nil once the upload was removed.
    func look<Result: Sendable>(_ question: (Journal) -> Result) throws(StoreError) -> Result? {
        try journal.withLock { journal throws(StoreError) in
            let status = try onDisk { () throws(FileError) in try journal.file.status() }
            guard status.names > 0 else { return nil }
            if !journal.isUpToDate(status) {
                try onDisk { () throws(FileError) in try journal.refresh() }
            }
            return question(journal)
        }
    }

    /// Changes the journal while nobody else can.
    ///
    /// - Returns: false, and nothing was done, once the upload was removed.
    func change(_ work: (inout Journal) throws(FileError) -> Void) throws(StoreError) -> Bool {
        try journal.withLock { journal throws(StoreError) in
            try onDisk { () throws(FileError) in
                try journal.locked { journal throws(FileError) in
                    let status = try journal.file.status()
                    guard status.names > 0 else { return false }
                    if !journal.isUpToDate(status) { try journal.refresh() }
                    try work(&journal)
                    return true
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
    let journal: String
    let data: String

    /// Identifier and name can say anything: only their SHA-256 becomes part of a name.
    init(_ id: UploadID) {
        let identifier = Array(id.identifier.utf8)
        // The length in front keeps "ab" + "c" apart from "a" + "bc".
        let key = sha256Hex(Array("\(identifier.count):".utf8) + identifier + id.filename.text.utf8)
        journal = key + UploadFiles.journalSuffix
        data = key + ".data"
    }
}
