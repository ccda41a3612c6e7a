import UploadModel

/// An open journal and what follows from its records. Not for several threads at once: `Upload` sees to that.
struct Journal {
    let file: any File
    private(set) var header: JournalHeader
    /// The fold of the records so far.
    private(set) var held = ByteRangeSet()
    /// How many times something was taken out: who compared bytes with the file sees by it whether they changed.
    private(set) var losses = 0
    /// The last step towards the final name.
    private(set) var publication = Publication.none
    /// The boot that the last records were written in.
    private(set) var boot: BootID?
    /// Held ranges that no `durable` follows, with their checksums: what a power cut puts in doubt. Collected while a
    /// journal is read, and nil from when it is known that there was none.
    private(set) var doubtful: [HeldRecord]? = []

    private var records = 0
    private let headerLength: Int

    struct HeldRecord {
        var range: ByteRange
        var checksum: UInt64
    }

    enum Publication: Equatable {
        case none
        case announced(number: UInt64, inode: UInt64)
        case done(number: UInt64, inode: UInt64, time: UInt64)
    }

    /// The most records a journal may have: 16 bytes of memory for each where every second byte range is missing.
    static let maximumRecords = 4 << 20

    private init(file: any File, header: JournalHeader, headerLength: Int) {
        self.file = file
        self.header = header
        self.headerLength = headerLength
    }

    /// Reads the journal in `file`; nil if it has no valid header.
    static func read(_ file: any File) throws(FileError) -> Journal? {
        let bytes = try file.bytes(from: 0, atMost: JournalHeader.maximumLength)
        guard let (header, length) = bytes.withUnsafeBytes({ JournalHeader.decode($0) }) else { return nil }
        var journal = Journal(file: file, header: header, headerLength: length)
        try journal.refresh()
        return journal
    }

    /// Writes a new journal over whatever stands in `file`.
    static func begin(_ file: any File, header: JournalHeader, boot: BootID) throws(FileError) -> Journal {
        try file.truncate(to: 0)
        let bytes = header.encoded
        try bytes.withBytes { bytes throws(FileError) in try file.write(bytes, at: 0) }
        var journal = Journal(file: file, header: header, headerLength: bytes.count)
        try journal.append([.boot(boot)])
        return journal
    }

    /// Takes in what others have appended. Needs no lock: a record that is being written is not valid yet.
    mutating func refresh() throws(FileError) {
        while true {
            let bytes = try file.bytes(from: position, atMost: 2048 * JournalRecord.length)
            var taken = 0
            while let record = bytes.withUnsafeBytes({ bytes -> JournalRecord? in
                let start = taken * JournalRecord.length
                guard start + JournalRecord.length <= bytes.count else { return nil }
                let slice = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + JournalRecord.length)])
                return JournalRecord.decode(slice, nonce: header.nonce, index: records)
            }) {
                apply(record)
                taken += 1
            }
            if taken < 2048 { return }
        }
    }

    /// Says that all that is held is there: nothing is collected for checking any more.
    mutating func trust() { doubtful = nil }

    /// True if every byte of the file is held.
    var coversFile: Bool { held.contains(ByteRange(first: header.size)) }

    /// Where the next record goes.
    private var position: UInt64 { UInt64(headerLength + records * JournalRecord.length) }

    /// True if nothing stands behind the records that are known here.
    func isUpToDate(_ status: FileStatus) -> Bool { status.size == position }

    /// Appends records, all in one write. The journal's lock is held and everything others wrote was taken in.
    mutating func append(_ new: [JournalRecord]) throws(FileError) {
        guard records + new.count <= Journal.maximumRecords else {
            throw FileError(operation: "append to", name: "a journal with too many records", code: FileError.tooBig)
        }
        // What stands here is the rest of a writer that died: valid records would have been taken in.
        if try file.status().size > position { try file.truncate(to: position) }
        let bytes = new.enumerated().flatMap { $1.encoded(nonce: header.nonce, index: records + $0) }
        try bytes.withBytes { bytes throws(FileError) in try file.write(bytes, at: position) }
        for record in new { apply(record) }
    }

    private mutating func apply(_ record: JournalRecord) {
        records += 1
        switch record {
        case .held(let range, let checksum):
            held.insert(range)
            doubtful?.append(HeldRecord(range: range, checksum: checksum))
        case .lost(let range):
            held.remove(range)
            losses += 1
        case .durable:
            if doubtful != nil { doubtful = [] }
        case .boot(let id):
            boot = id
        case .publishing(let number, let inode):
            publication = .announced(number: number, inode: inode)
        case .published(let number, let inode, let time):
            publication = .done(number: number, inode: inode, time: time)
            if doubtful != nil { doubtful = [] }
        }
    }
}

extension File {
    /// Bytes from `offset` on, as many as there are up to `count`.
    fileprivate func bytes(from offset: UInt64, atMost count: Int) throws(FileError) -> [UInt8] {
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
