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
    /// True if bytes were taken over from the Flask backend.
    private(set) var hasAdopted = false
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
    var doubtful: [HeldRecord]? { collected?.filter { $0.index >= durable } }
    private var collected: [HeldRecord]? = []
    /// The records before this number are covered by a `durable` record.
    private var durable = 0
    /// The numbers of the `syncing` records that are open.
    private(set) var openSyncs: Set<UInt64> = []
    /// Those of them that have succeeded, but whose `synced` could not be appended: the next `append` does that.
    private var unclosed: Set<UInt64> = []
    /// True if a process has died in a sync, as `checkSyncs` has found.
    private(set) var isSyncAbandoned = false
    /// How many records there are.
    private(set) var records = 0
    /// True after a failed sync. The kernel forgets the pages that it could not write, and the next sync would succeed
    /// without them, so no record can be trusted any more.
    private(set) var isBroken = false

    private let headerLength: Int
    /// The bytes of all `described` records.
    private var described = 0
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
    /// How many of them are left for requests that have begun, and for finishing the upload.
    private static let reservedRecords = 1 << 16
    /// The most ranges that an upload may have held, apart from each other. A chunk that would add one has to wait
    /// until others have closed gaps.
    static let maximumRanges = 1 << 16
    /// The most chunks that a file may be cut into: each needs a few records.
    static let maximumChunks: UInt64 = 1 << 20
    /// The most bytes of metadata in all `described` records of a journal.
    static let maximumDescribed = 256 << 10

    /// True if the journal has reached its limit in bytes, which grows with the file, or nearly that in records: chunks
    /// that are sent again with other bytes, or that are far too small, must not fill the disk.
    var isAtLimit: Bool {
        position > UInt64(1 << 20) + (size ?? heldEnd) || records > Journal.maximumRecords - Journal.reservedRecords
    }

    /// True if holding `range` would pass the limit of ranges.
    func isTooFragmented(for range: ByteRange) -> Bool {
        guard held.ranges.count >= Journal.maximumRanges,
            let around = ByteRange(from: max(range.start, 1) - 1, to: range.end + 1)
        else { return false }
        return held.intersection(around).isEmpty
    }

    /// The record for metadata that a client states now; nil if that is the same as before, in whichever order, or if
    /// the journal has as much metadata as it may have.
    func description(_ new: Metadata) -> JournalRecord? {
        func sorted(_ metadata: Metadata) -> [Metadata.Pair] {
            metadata.pairs.sorted { ($0.name, $0.value) < ($1.name, $1.value) }
        }
        guard !new.isEmpty, new != metadata, sorted(new) != sorted(metadata) else { return nil }
        let length = new.pairs.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 8 }
        return described + length <= Journal.maximumDescribed ? .described(new) : nil
    }

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
    /// - Parameter visit: called with every record and its number.
    static func read(
        _ file: any File, visit: (_ record: JournalRecord, _ number: Int) -> Void = { _, _ in }
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
    mutating func refresh(
        visit: (_ record: JournalRecord, _ number: Int) -> Void = { _, _ in }
    ) throws(FileError) {
        // Long enough for any record with its payload.
        let window = JournalRecord.maximumPayload + 4096
        var history = RangeHistory()
        defer { add(history) }
        while true {
            let bytes = try file.bytes(from: position, atMost: window)
            var start = 0
            while let (record, count) = bytes.withUnsafeBytes({ bytes in
                JournalRecord.decode(UnsafeRawBufferPointer(rebasing: bytes[start...]), seed: seed)
            }) {
                visit(record, records)
                if !collect(record, in: &history) { apply(record, count: count) }
                // As many as there are ranges already: so all of them are sorted a few times, and not in each batch.
                if history.steps.count >= max(Journal.batch, held.ranges.count) {
                    add(history)
                    history = RangeHistory()
                }
                seed = JournalRecord.seed(behind: bytes[start...], seed)
                start += count * JournalRecord.length
            }
            if start == 0 || bytes.count < window { return }
        }
    }

    /// How many ranges are worked out at once, at least: each takes about 60 bytes meanwhile.
    private static let batch = 1 << 19

    /// Puts off what a record says of ranges, until `add` is called with all of them.
    ///
    /// - Returns: false if it says nothing of ranges.
    private mutating func collect(_ record: JournalRecord, in history: inout RangeHistory) -> Bool {
        switch record {
        case .held(let range, let checksum, let isProvisional):
            if isPublished || isProvisional { return false }
            history.append(.init(range: range, isHeld: true, checksum: checksum, number: records))
            replaceProvisional(range)
        case .adopted(let range):
            hasAdopted = true
            history.append(.init(range: range, isHeld: true, checksum: nil, number: records))
        case .lost(let range):
            history.append(.init(range: range, isHeld: false, checksum: nil, number: records))
            replaceProvisional(range)
            countLoss(of: range)
        default:
            return false
        }
        records += 1
        return true
    }

    private mutating func add(_ history: RangeHistory) {
        if history.steps.count < 32 {
            for step in history.steps {
                if step.isHeld {
                    hold(step.range, checksum: step.checksum, number: step.number)
                } else {
                    lose(step.range)
                }
            }
            return
        }
        if history.isOnlyAdding {
            held = history.added(to: held)
            collected? += history.steps.compactMap { step in
                step.checksum.map { HeldRecord(range: step.range, checksum: $0, index: step.number) }
            }
            return
        }
        var all = RangeHistory()
        for range in held.ranges { all.append(.init(range: range, isHeld: true, checksum: nil, number: -1)) }
        for record in doubtful ?? [] {
            all.append(.init(range: record.range, isHeld: true, checksum: record.checksum, number: record.index))
        }
        for step in history.steps { all.append(step) }
        let result = all.result()
        held = result.held
        if collected != nil {
            collected = result.current.map {
                HeldRecord(range: $0.range, checksum: $0.checksum ?? 0, index: $0.number)
            }
        }
    }

    private mutating func hold(_ range: ByteRange, checksum: UInt64?, number: Int) {
        held.insert(range)
        if let checksum { collected?.append(HeldRecord(range: range, checksum: checksum, index: number)) }
    }

    private mutating func lose(_ range: ByteRange) {
        held.remove(range)
        collected?.removeAll { $0.range.start >= range.start && $0.range.end <= range.end }
    }

    /// Removes the provisional ranges that a chunk has replaced.
    private mutating func replaceProvisional(_ range: ByteRange) {
        if !provisional.isEmpty { provisional.removeAll { $0.range.overlaps(range) } }
    }

    private mutating func countLoss(of range: ByteRange) {
        losses += 1
        mayForgetLoss = true
        if let tail, Journal.tailOffset < range.end, range.start < Journal.tailOffset + tail.length {
            self.tail = nil
        }
    }

    /// Stops collecting `doubtful` ranges: all held bytes are known to be in the data file.
    mutating func trust() { collected = nil }

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
        let sealed = sealed(new + unclosed.sorted().map { .synced(number: $0) })
        guard records + sealed.bytes.count / JournalRecord.length <= Journal.maximumRecords else {
            throw FileError(operation: "append to", name: "a journal with too many records", code: FileError.tooBig)
        }
        // A process died while it appended: `refresh` would have read valid records.
        if try file.status().size > position { try file.truncate(to: position) }
        try sealed.bytes.withBytes { bytes throws(FileError) in try file.write(bytes, at: position) }
        apply(sealed)
        unclosed = []
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
        let own = own.union(unclosed)
        guard !openSyncs.isSubset(of: own) else { return isSyncAbandoned = false }
        if !holdsLock {
            guard try file.lock(offset: Journal.syncLock, length: 1, wait: false) else { return }
        }
        defer { if !holdsLock { file.unlock(offset: Journal.syncLock, length: 1) } }
        // It may have ended since.
        try refresh()
        isSyncAbandoned = !openSyncs.isSubset(of: own)
    }

    /// Appends records, and `synced` for a sync that has succeeded, unless another record has closed it. If that fails,
    /// the next `append` closes the sync.
    mutating func close(_ number: UInt64, with new: [JournalRecord] = []) throws(FileError) {
        if openSyncs.contains(number) { unclosed.insert(number) }
        if !new.isEmpty || !unclosed.isEmpty { try append(new) }
    }

    /// Marks the journal as broken after a failed sync of the data file.
    mutating func distrust() { isBroken = true }

    private mutating func apply(_ record: JournalRecord, count: Int) {
        switch record {
        case .held(let range, let checksum, let isProvisional):
            if isPublished {
                confirmed.append(HeldRecord(range: range, checksum: checksum, index: records))
                confirmedRanges.insert(range)
            } else if isProvisional {
                provisional.append(HeldRecord(range: range, checksum: checksum, index: records))
            } else {
                hold(range, checksum: checksum, number: records)
                replaceProvisional(range)
            }
        case .lost(let range):
            lose(range)
            replaceProvisional(range)
            countLoss(of: range)
        case .durable(let number):
            durable = max(durable, Int(min(number, UInt64(records))))
        case .boot(let id):
            boot = id
            openSyncs = []
        case .publishing(let number, let inode, let recipients):
            owed = recipients
            publication = .announced(number: number, inode: inode)
        case .published(let number, let inode, let time):
            publication = .done(number: number, inode: inode, time: time)
            openSyncs = []
            durable = records
        case .adopted(let range):
            hasAdopted = true
            hold(range, checksum: nil, number: records)
        case .chunkSize(let bytes):
            chunkSize = bytes
        case .tail(let tail):
            self.tail = tail
        case .size(let bytes):
            size = bytes
            tail = nil
        case .described(let metadata):
            self.metadata = metadata
            described += (count - 1) * JournalRecord.length
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
