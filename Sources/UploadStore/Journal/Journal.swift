import UploadModel

/// An open journal and what follows from its records. Not for several threads at once: `Upload` sees to that.
struct Journal {
    let file: any File
    let header: JournalHeader
    /// The fold of the records so far.
    private(set) var held = ByteRangeSet()
    /// The whole file's size in bytes, once it is known.
    private(set) var size: UInt64?
    /// The size of all chunks but the last, once it is known.
    private(set) var chunkSize: UInt64?
    /// A last chunk that came before its place was known.
    private(set) var tail: Tail?
    /// What the client says of the file.
    private(set) var metadata = Metadata()
    /// How many times something was taken out: who compared bytes with the file sees by it whether they changed.
    private(set) var losses = 0
    /// True while a power cut could bring back what was taken out last: nothing may be written there yet.
    private(set) var mayForgetLoss = false
    /// The last step towards the final name.
    private(set) var publication = Publication.none
    /// Who is still to be told that the upload is finished, once it is.
    private(set) var owed: Recipients = []
    /// What came of trying to tell them.
    private(set) var attempts: [Recipients: Attempts] = [:]
    /// The boot that the last records were written in.
    private(set) var boot: BootID?
    /// Held ranges that no `durable` covers, with their checksums: what a power cut puts in doubt. Collected while a
    /// journal is read, and nil from when it is known that there was none.
    private(set) var doubtful: [HeldRecord]? = []
    /// How many records there are.
    private(set) var records = 0
    /// True after a failed sync: the kernel forgets what it could not write and the next sync would succeed, so nothing
    /// that stands here can be vouched for any more.
    private(set) var isBroken = false

    private let headerLength: Int
    /// Of the check of the next record.
    private var seed: UInt64

    struct HeldRecord {
        var range: ByteRange
        var checksum: UInt64
        /// Its number in the journal.
        var index: Int
    }

    enum Publication: Equatable {
        case none
        case announced(number: UInt64, inode: UInt64)
        case done(number: UInt64, inode: UInt64, time: UInt64)
    }

    /// The most records a journal may have: 16 bytes of memory for each where every second byte range is missing.
    static let maximumRecords = 4 << 20
    /// Where a last chunk waits whose place is not known yet: as far behind the file as all usual file systems go. Where
    /// one doesn't, the chunk is asked for again until its place is known.
    static let tailOffset: UInt64 = 1 << 42

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
    /// - Parameter visit: is shown every record.
    static func read(
        _ file: any File, visit: (JournalRecord) -> Void = { _ in }
    ) throws(FileError) -> Journal? {
        guard let (header, length) = try JournalHeader.decode(file) else { return nil }
        var journal = Journal(file: file, header: header, headerLength: length)
        try journal.refresh(visit: visit)
        return journal
    }

    /// Writes a new journal over whatever stands in `file`.
    static func begin(_ file: any File, header: JournalHeader, boot: BootID) throws(FileError) -> Journal {
        // Only where it has something: ext4 writes a file out at its closing that was cut to nothing.
        if try file.status().size > 0 { try file.truncate(to: 0) }
        let headerBytes = header.encoded
        var journal = Journal(file: file, header: header, headerLength: headerBytes.count)
        let first = journal.sealed([.boot(boot)])
        try (headerBytes + first.bytes).withBytes { bytes throws(FileError) in try file.write(bytes, at: 0) }
        journal.apply(first)
        return journal
    }

    /// Takes in what others have appended. Needs no lock: a record that is being written is not valid yet.
    mutating func refresh(visit: (JournalRecord) -> Void = { _ in }) throws(FileError) {
        // Long enough for any one record.
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

    /// Says that all that is held is there: nothing is collected for checking any more.
    mutating func trust() { doubtful = nil }

    /// True if every byte of the file is held.
    var coversFile: Bool { size.map { held.contains(ByteRange(first: $0)) } ?? false }

    /// Where the next record goes.
    var position: UInt64 { UInt64(headerLength + records * JournalRecord.length) }

    /// True if nothing stands behind the records that are known here.
    func isUpToDate(_ status: FileStatus) -> Bool { status.size == position }

    /// Appends records, all in one write. The journal's lock is held and everything others wrote was taken in.
    mutating func append(_ new: [JournalRecord]) throws(FileError) {
        let sealed = sealed(new)
        guard records + sealed.bytes.count / JournalRecord.length <= Journal.maximumRecords else {
            throw FileError(operation: "append to", name: "a journal with too many records", code: FileError.tooBig)
        }
        // What stands here is the rest of a writer that died: valid records would have been taken in.
        if try file.status().size > position { try file.truncate(to: position) }
        try sealed.bytes.withBytes { bytes throws(FileError) in try file.write(bytes, at: position) }
        apply(sealed)
    }

    /// Records as they are written behind those that are known here.
    private struct Sealed {
        var records: [(record: JournalRecord, count: Int)] = []
        var bytes: [UInt8] = []
        /// Of the check of the record behind them.
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

    /// Returns when the records so far would survive a power cut.
    mutating func sync() throws(FileError) {
        do throws(FileError) { try file.sync() } catch {
            isBroken = true
            throw error
        }
        mayForgetLoss = false
    }

    /// Says that a sync has failed.
    mutating func distrust() { isBroken = true }

    private mutating func apply(_ record: JournalRecord, count: Int) {
        switch record {
        case .held(let range, let checksum):
            held.insert(range)
            doubtful?.append(HeldRecord(range: range, checksum: checksum, index: records))
        case .lost(let range):
            held.remove(range)
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
        case .publishing(let number, let inode, let recipients):
            owed = recipients
            publication = .announced(number: number, inode: inode)
        case .published(let number, let inode, let time):
            publication = .done(number: number, inode: inode, time: time)
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
        }
        records += count
    }
}

extension JournalHeader {
    /// What the journal in `file` says first; nil if it has no valid header.
    static func read(_ file: any File) throws(FileError) -> JournalHeader? { try decode(file)?.header }

    fileprivate static func decode(_ file: any File) throws(FileError) -> (header: JournalHeader, length: Int)? {
        try file.bytes(from: 0, atMost: maximumLength).withUnsafeBytes { decode($0) }
    }
}

extension File {
    /// Bytes from `offset` on, as many as there are up to `limit`.
    fileprivate func bytes(from offset: UInt64, atMost limit: Int) throws(FileError) -> [UInt8] {
        // Nearly always there are few: no memory for more.
        let size = try status().size
        guard size > offset else { return [] }
        let count = Int(min(size - offset, UInt64(limit)))
        var buffer = [UInt8](repeating: 0, count: count)
        let read = try buffer.withBytes { bytes throws(FileError) in try self.read(into: bytes, at: offset) }
        buffer.removeLast(count - read)
        return buffer
    }
}

extension [UInt8] {
    // `withUnsafeBytes` of the standard library forgets which error its closure throws.

    fileprivate func withBytes(_ body: (UnsafeRawBufferPointer) throws(FileError) -> Void) throws(FileError) {
        var failure: FileError?
        withUnsafeBytes { bytes in
            do throws(FileError) { try body(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    fileprivate mutating func withBytes(
        _ body: (UnsafeMutableRawBufferPointer) throws(FileError) -> Int
    ) throws(FileError) -> Int {
        var result = Result<Int, FileError>.success(0)
        withUnsafeMutableBytes { bytes in
            result = Result { () throws(FileError) in try body(bytes) }
        }
        return try result.get()
    }
}
