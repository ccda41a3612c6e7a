import Linux
import UploadModel

/// An open journal and the state that its records add up to. Not safe for concurrent use: `Upload` serializes access.
struct Journal {
    let file: any File
    let header: JournalHeader
    /// The ranges that the records so far add up to.
    private(set) var held = ByteRangeSet()
    /// The ranges that were sent again after the upload was finished, with the same bytes.
    private(set) var confirmed: [HeldRecord] = []
    /// The ranges of `confirmed`.
    private(set) var confirmedRanges = ByteRangeSet()
    /// The ranges that a finished upload passed on to this one, and that may belong to another file (`Superseding`).
    private(set) var provisional: [HeldRecord] = []
    /// The whole file's size in bytes, once it is known.
    private(set) var size: UInt64?
    /// The size of all chunks but the last, once it is known.
    private(set) var chunkSize: UInt64?
    /// The last chunk, if it arrived before its offset was known.
    private(set) var tail: Tail?
    /// The client's metadata for the file.
    private(set) var metadata = Metadata()
    /// How many `lost` records there are. A writer that compares bytes with the file sees by it whether they may have
    /// changed.
    private(set) var losses = 0
    /// True while a power cut could undo the last `lost` record: nothing may be written to its range yet.
    private(set) var mayForgetLoss = false
    /// The last step towards the final name.
    private(set) var publication = Publication.none
    /// The recipients that are still owed an event, once the upload is finished.
    private(set) var owed: Recipients = []
    /// Failed attempts to deliver it, by recipient.
    private(set) var attempts: [Recipients: Attempts] = [:]
    /// The boot that the last records were written in.
    private(set) var boot: BootID?
    /// Held ranges that no `durable` record covers, with their checksums: the ones that a power cut may have taken.
    /// Collected while a journal is read, and nil as soon as it is known that there was no power cut.
    private(set) var doubtful: [HeldRecord]? = []
    /// The numbers of the `syncing` records that are open.
    private(set) var openSyncs: Set<UInt64> = []
    /// True if a process has died in a sync, as `checkSyncs` has found.
    private(set) var isSyncAbandoned = false
    /// How many records there are.
    private(set) var records = 0
    /// True after a failed sync. The kernel forgets the pages that it could not write, and the next sync would succeed
    /// without them, so no record can be trusted any more.
    private(set) var isBroken = false

    private let headerLength: Int
    /// The seed for the check of the next record.
    private var seed: UInt64

    struct HeldRecord {
        var range: ByteRange
        var checksum: UInt64
        /// The index of its record in the journal.
        var index: Int
    }

    enum Publication: Equatable {
        case none
        case announced(number: UInt64, inode: UInt64)
        case done(number: UInt64, inode: UInt64, time: UInt64)
    }

    /// The most records that a journal may have. If every second range is missing, each takes 16 bytes of memory.
    static let maximumRecords = 4 << 20
    /// Where a last chunk is kept while its offset is not known: far behind any file, but within the limits of the
    /// usual file systems. On a file system with a lower limit the client has to send the chunk again.
    static let tailOffset: UInt64 = 1 << 42

    /// The byte of the journal's file that is locked from before a `syncing` record until it is closed.
    static let syncLock: UInt64 = 2

    private init(file: any File, header: JournalHeader, headerLength: Int) {
        self.file = file
        self.header = header
        self.headerLength = headerLength
        seed = header.nonce
        size = header.size
        chunkSize = header.chunkSize
    }

    /// Reads the journal in `file`; nil if it has no valid header.
    ///
    /// - Parameter visit: called with every record.
    static func read(
        _ file: any File, visit: (JournalRecord) -> Void = { _ in }
    ) throws(FileError) -> Journal? {
        guard let (header, length) = try JournalHeader.decode(file) else { return nil }
        var journal = Journal(file: file, header: header, headerLength: length)
        try journal.refresh(visit: visit)
        return journal
    }

    /// Writes a new journal, in place of any bytes that `file` has.
    static func begin(_ file: any File, header: JournalHeader, boot: BootID) throws(FileError) -> Journal {
        // Only if the file has bytes: ext4 writes out a file that was truncated to zero when it is closed.
        if try file.status().size > 0 { try file.truncate(to: 0) }
        let headerBytes = header.encoded
        var journal = Journal(file: file, header: header, headerLength: headerBytes.count)
        let first = journal.sealed([.boot(boot)])
        try (headerBytes + first.bytes).withBytes { bytes throws(FileError) in try file.write(bytes, at: 0) }
        journal.apply(first)
        return journal
    }

    /// Reads the records that other processes have appended. Needs no lock: a record that is being written is not valid
    /// yet.
    mutating func refresh(visit: (JournalRecord) -> Void = { _ in }) throws(FileError) {
        // Long enough for any record with its payload.
        let window = JournalRecord.maximumPayload + 4096
        while true {
            let bytes = try file.bytes(from: position, atMost: window)
            var start = 0
            while let (record, count) = bytes.withUnsafeBytes({ bytes in
                JournalRecord.decode(UnsafeRawBufferPointer(rebasing: bytes[start...]), seed: seed)
            }) {
                visit(record)
                apply(record, count: count)
                seed = JournalRecord.seed(behind: bytes[start...], seed)
                start += count * JournalRecord.length
            }
            if start == 0 || bytes.count < window { return }
        }
    }

    /// Stops collecting `doubtful` ranges: all held bytes are known to be in the data file.
    mutating func trust() { doubtful = nil }

    /// True if every byte of the file is held.
    var coversFile: Bool { size.map { held.contains(ByteRange(first: $0)) } ?? false }

    /// True if every byte of the file is held or provisional.
    var coversFileProvisionally: Bool {
        guard !provisional.isEmpty, let size else { return false }
        var all = held
        for record in provisional { all.insert(record.range) }
        return all.contains(ByteRange(first: size))
    }

    /// The offset of the next record.
    var position: UInt64 { UInt64(headerLength + records * JournalRecord.length) }

    /// True if the file ends with the last record that was read.
    func isUpToDate(_ status: FileStatus) -> Bool { status.size == position }

    /// Appends records in one write. The caller holds the journal's lock and has called `refresh`.
    mutating func append(_ new: [JournalRecord]) throws(FileError) {
        let sealed = sealed(new)
        guard records + sealed.bytes.count / JournalRecord.length <= Journal.maximumRecords else {
            throw FileError(operation: "append to", name: "a journal with too many records", code: FileError.tooBig)
        }
        // A process died while it appended: `refresh` would have read valid records.
        if try file.status().size > position { try file.truncate(to: position) }
        try sealed.bytes.withBytes { bytes throws(FileError) in try file.write(bytes, at: position) }
        apply(sealed)
    }

    /// Records, encoded to follow those that were read.
    private struct Sealed {
        var records: [(record: JournalRecord, count: Int)] = []
        var bytes: [UInt8] = []
        /// The seed for the record after them.
        var seed: UInt64
    }

    private func sealed(_ new: [JournalRecord]) -> Sealed {
        var sealed = Sealed(seed: seed)
        for record in new {
            let bytes = record.encoded(seed: sealed.seed)
            sealed.seed = JournalRecord.seed(behind: bytes[...], sealed.seed)
            sealed.records.append((record, bytes.count / JournalRecord.length))
            sealed.bytes += bytes
        }
        return sealed
    }

    private mutating func apply(_ sealed: Sealed) {
        for (record, count) in sealed.records { apply(record, count: count) }
        seed = sealed.seed
    }

    /// Syncs the journal: the records so far survive a power cut.
    mutating func sync() throws(FileError) {
        do throws(FileError) { try file.sync() } catch {
            isBroken = true
            throw error
        }
        mayForgetLoss = false
    }

    /// Finds out whether another process died in a sync: it left a `syncing` record open and doesn't hold its lock any
    /// more. Reads the newest records if so.
    ///
    /// - Parameters:
    ///   - own: the open records of this process.
    ///   - holdsLock: true if this opening of the journal has locked `syncLock`.
    mutating func checkSyncs(own: Set<UInt64> = [], holdsLock: Bool = false) throws(FileError) {
        guard !openSyncs.isSubset(of: own) else { return isSyncAbandoned = false }
        if !holdsLock {
            guard try file.lock(offset: Journal.syncLock, length: 1, wait: false) else { return }
        }
        defer { if !holdsLock { file.unlock(offset: Journal.syncLock, length: 1) } }
        // It may have ended since.
        try refresh()
        isSyncAbandoned = !openSyncs.isSubset(of: own)
    }

    /// Marks the journal as broken after a failed sync of the data file.
    mutating func distrust() { isBroken = true }

    private mutating func apply(_ record: JournalRecord, count: Int) {
        switch record {
        case .held(let range, let checksum, let isProvisional):
            let record = HeldRecord(range: range, checksum: checksum, index: records)
            if isPublished {
                confirmed.append(record)
                confirmedRanges.insert(range)
            } else if isProvisional {
                provisional.append(record)
            } else {
                held.insert(range)
                provisional.removeAll { $0.range.overlaps(range) }
                doubtful?.append(record)
            }
        case .lost(let range):
            held.remove(range)
            provisional.removeAll { $0.range.overlaps(range) }
            losses += 1
            mayForgetLoss = true
            if let tail, Journal.tailOffset < range.end, range.start < Journal.tailOffset + tail.length {
                self.tail = nil
            }
            doubtful?.removeAll { $0.range.start >= range.start && $0.range.end <= range.end }
        case .durable(let number):
            doubtful?.removeAll { $0.index < number }
        case .boot(let id):
            boot = id
            openSyncs = []
        case .publishing(let number, let inode, let recipients):
            owed = recipients
            publication = .announced(number: number, inode: inode)
        case .published(let number, let inode, let time):
            publication = .done(number: number, inode: inode, time: time)
            openSyncs = []
            if doubtful != nil { doubtful = [] }
        case .adopted(let range):
            held.insert(range)
        case .chunkSize(let bytes):
            chunkSize = bytes
        case .tail(let tail):
            self.tail = tail
        case .size(let bytes):
            size = bytes
            tail = nil
        case .described(let metadata):
            self.metadata = metadata
        case .settled(let recipients, _, _):
            owed.subtract(recipients)
            attempts[recipients] = nil
        case .attempted(let recipients, let attempts):
            self.attempts[recipients] = attempts
        case .syncing:
            openSyncs.insert(UInt64(records))
        case .synced(let number):
            openSyncs.remove(number)
        }
        records += count
    }
}

extension JournalHeader {
    /// The header of the journal in `file`; nil if it has no valid one.
    static func read(_ file: any File) throws(FileError) -> JournalHeader? { try decode(file)?.header }

    fileprivate static func decode(_ file: any File) throws(FileError) -> (header: JournalHeader, length: Int)? {
        try file.bytes(from: 0, atMost: maximumLength).withUnsafeBytes { decode($0) }
    }
}

extension File {
    /// The bytes from `offset` to the end of the file, at most `limit`.
    fileprivate func bytes(from offset: UInt64, atMost limit: Int) throws(FileError) -> [UInt8] {
        // Usually there are few, so the buffer is no larger than needed.
        let size = try status().size
        guard size > offset else { return [] }
        let count = Int(min(size - offset, UInt64(limit)))
        var buffer = [UInt8](repeating: 0, count: count)
        let read = try buffer.withMutableBytes { bytes throws(FileError) in try self.read(into: bytes, at: offset) }
        buffer.removeLast(count - read)
        return buffer
    }
}
