import UploadModel

// The journal: one append-only file for each upload, which holds the upload's whole state. Numbers are little-endian.
//
//     header                                   a record, 32 bytes
//     0    8  "RSMBLD\0\2": magic, version     0   1  kind
//     8    4  H, the header's length           1   3  zero
//     12   4  number of texts                  4   4  check: low half of XXH3 of the record with zeros here. The
//     16   8  the whole file's size, or ~0             seed: the nonce + the number of records before it (payloads
//     don't
//                                                      count) + 2^32 * the sum of their checks (modulo 2^64)
//     24   8  size of the chunks, or 0         8   8  a
//     32   8  nonce, random                    16  8  b
//     40   8  begun, Unix seconds              24  8  c
//     48   .  texts: length (4), UTF-8
//     H-8  8  XXH3 of all before it
//
//     kind          a           b        c             meaning
//     1  held       offset      length   checksum      the data file has these bytes of the client (their XXH3). After
//                                                      `published`: these bytes were sent again, and are the same. With
//                                                      1 in the byte after the kind: provisional (`Superseding`)
//     2  lost       offset      length   -             these bytes are not held any more
//     3  durable    number      0        -             the data file was synced: the ranges of the records before that
//                                                      number survive a power cut
//     3  syncing    0           1        -             files of the upload are about to be synced
//     3  synced     0           2        number        the sync has succeeded that the record with this number announced
//     4  boot       id (low)    id (high) -            the following records were written during the boot with this id
//     5  publishing number      inode    recipients    the data file, which has this inode, is about to be renamed to
//                                                      the name with this number; once it is, these recipients (a bit
//                                                      each) are owed an event
//     6  published  number      inode    Unix seconds  it has that name: the upload is finished
//     7  adopted    offset      length   -             held, and synced before this record was written
//     8  chunk size bytes       -        -             the size of all chunks but the last
//     9  tail       number      length   -             the last chunk, which has this number, is kept far behind the
//                                                      file
//     10 size       bytes       -        -             the whole file's size
//     11 described  n           checksum -             the following n bytes, padded with zeros to a whole number of
//                                                      records, are the client's metadata: names and values, each a
//                                                      length (4) and UTF-8
//     12 settled    recipients  how      Unix seconds  these recipients are not owed the event any more: it was
//                                                      delivered (0) or an operator dropped it (1)
//     13 attempted  r, m, n     checksum Unix seconds  the mth attempt (24 bits) to deliver the event to the recipients
//                                                      r (the lowest 8 bits) failed; the next is due at that time. The
//                                                      following n (32 bits) bytes, padded as in 11, are the reason: a
//                                                      length (4) and UTF-8
//
// Validity: the header is valid if its length, texts and checksum are right; a file without a valid header is treated
// as no journal. Records are valid in order up to the first whose check (or that of its payload) differs, which is cut
// off, or which has an impossible value: sizes, offsets and times have 63 bits, as in Linux. The next writer removes
// the bytes after the last valid record. The held ranges are what the valid records add up to, in order.
//
// The data file's name contains the journal's nonce. So a journal never vouches for a data file that belongs to another
// journal, whichever of the two names a power cut leaves.
//
// Records 8 to 10 add sizes that the header leaves open: clients of the Flask backend may state only how many chunks
// there are. The last chunk's offset is known once another chunk has shown the chunk size; until then the chunk is kept
// at `Journal.tailOffset`.
//
// Assumptions about the medium: a file that was written and synced keeps its bytes; syncing a folder keeps its names; a
// rename that was not synced leaves the old name, the new one, or both; during one boot, reads return what was written.
// So after a crash of the program alone every record is good. After a change of the boot id, ranges that no `durable`
// record covers are compared with the data by their checksums (`Recovery`). The nonce in a record's check keeps blocks
// of another, removed journal from being read as records of this one. The sum of the checks before it ties a record to
// its place: a power cut may take a record and leave those after it, which must not become valid later, when other
// records have been written before them.
//
// A failed sync is the exception to "during one boot, every record is good": the kernel drops the changes that it could
// not write, reads may still return them, and no later sync writes them. The process that made the sync removes the
// upload. If it was killed before it could, its `syncing` record is still open (no `synced`, `published` or later
// `boot` follows) and its lock on the journal is gone (`Journal.syncLock`). Then the next process copies the held
// ranges into a new data file with a new journal (`LocalStore.salvage`).

/// The start of a journal. JournalTexts.swift says what its texts mean.
struct JournalHeader: Equatable {
    static let magic: [UInt8] = [0x52, 0x53, 0x4d, 0x42, 0x4c, 0x44, 0, 2]
    /// The longest header, in bytes: enough for the longest texts of each kind.
    static let maximumLength = 64 << 10

    /// The whole file's size in bytes; nil if the client doesn't state it.
    var size: UInt64?
    /// The size of all chunks but the last, in bytes; nil if the client doesn't state it.
    var chunkSize: UInt64?
    /// Random.
    var nonce: UInt64
    /// When the upload was begun, in Unix seconds.
    var begun: UInt64
    var texts: [String]

    var encoded: [UInt8] {
        let body = [UInt8](texts: texts)
        var bytes = JournalHeader.magic
        bytes.append(littleEndian: UInt32(48 + body.count + 8))
        bytes.append(littleEndian: UInt32(texts.count))
        bytes.append(littleEndian: size ?? .max)
        bytes.append(littleEndian: chunkSize ?? 0)
        bytes.append(littleEndian: nonce)
        bytes.append(littleEndian: begun)
        bytes += body
        bytes.append(littleEndian: bytes.withUnsafeBytes { Checksum.of($0) })
        return bytes
    }

    /// The header at the start of `bytes`, and its length in bytes; nil if there is no valid one.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> (header: JournalHeader, length: Int)? {
        guard bytes.count >= 56, bytes.prefix(8).elementsEqual(magic) else { return nil }
        let length = Int(bytes.littleEndian(UInt32.self, at: 8))
        guard (56...maximumLength).contains(length), length <= bytes.count else { return nil }
        let checked = UnsafeRawBufferPointer(rebasing: bytes[..<(length - 8)])
        guard Checksum.of(checked) == bytes.littleEndian(UInt64.self, at: length - 8) else { return nil }
        let body = UnsafeRawBufferPointer(rebasing: bytes[48..<(length - 8)])
        guard let texts = body.texts, texts.count == bytes.littleEndian(UInt32.self, at: 12) else { return nil }
        let size = bytes.littleEndian(UInt64.self, at: 16)
        let chunkSize = bytes.littleEndian(UInt64.self, at: 24)
        guard size == .max || size.isPossible, chunkSize.isPossible else { return nil }
        let header = JournalHeader(
            size: size == .max ? nil : size,
            chunkSize: chunkSize == 0 ? nil : chunkSize,
            nonce: bytes.littleEndian(UInt64.self, at: 32),
            begun: bytes.littleEndian(UInt64.self, at: 40),
            texts: texts)
        return (header, length)
    }
}

/// A change of an upload's state. The table above says what each kind means.
enum JournalRecord: Equatable {
    case held(ByteRange, checksum: UInt64, isProvisional: Bool = false)
    case lost(ByteRange)
    case durable(records: UInt64)
    case boot(BootID)
    case publishing(number: UInt64, inode: UInt64, owed: Recipients = [])
    case published(number: UInt64, inode: UInt64, time: UInt64)
    case adopted(ByteRange)
    case chunkSize(UInt64)
    case tail(Tail)
    case size(UInt64)
    case described(Metadata)
    case settled(Recipients, isDropped: Bool, time: UInt64)
    case attempted(Recipients, Attempts)
    case syncing
    case synced(number: UInt64)

    /// In bytes.
    static let length = 32

    /// The record's bytes. The seed depends on the records before it (`seed(behind:_:)`).
    func encoded(seed: UInt64) -> [UInt8] {
        var payload: [UInt8] = []
        var flags: UInt8 = 0
        let (kind, a, b, c): (UInt8, UInt64, UInt64, UInt64)
        switch self {
        case .held(let range, let checksum, let isProvisional):
            (kind, a, b, c) = (1, range.start, range.length, checksum)
            flags = isProvisional ? 1 : 0
        case .lost(let range): (kind, a, b, c) = (2, range.start, range.length, 0)
        case .durable(let records): (kind, a, b, c) = (3, records, 0, 0)
        case .boot(let id): (kind, a, b, c) = (4, id.low, id.high, 0)
        case .publishing(let number, let inode, let owed): (kind, a, b, c) = (5, number, inode, UInt64(owed.rawValue))
        case .published(let number, let inode, let time): (kind, a, b, c) = (6, number, inode, time)
        case .adopted(let range): (kind, a, b, c) = (7, range.start, range.length, 0)
        case .chunkSize(let bytes): (kind, a, b, c) = (8, bytes, 0, 0)
        case .tail(let tail): (kind, a, b, c) = (9, tail.number, tail.length, 0)
        case .size(let bytes): (kind, a, b, c) = (10, bytes, 0, 0)
        case .described(let metadata):
            payload = [UInt8](texts: metadata.pairs.flatMap { [$0.name, $0.value] })
            (kind, a, b, c) = (11, UInt64(payload.count), payload.withUnsafeBytes { Checksum.of($0) }, 0)
        case .settled(let recipients, let isDropped, let time):
            (kind, a, b, c) = (12, UInt64(recipients.rawValue), isDropped ? 1 : 0, time)
        case .attempted(let recipients, let attempts):
            payload = [UInt8](texts: [attempts.reason])
            let count = UInt64(min(attempts.count, Attempts.maximumCount))
            a = UInt64(recipients.rawValue) | count << 8 | UInt64(payload.count) << 32
            (kind, b, c) = (13, payload.withUnsafeBytes { Checksum.of($0) }, attempts.next)
        // A release that does not know these two reads them as `durable` of no record, and may share the root during an
        // upgrade.
        case .syncing: (kind, a, b, c) = (3, 0, 1, 0)
        case .synced(let number): (kind, a, b, c) = (3, 0, 2, number)
        }
        payload += [UInt8](repeating: 0, count: JournalRecord.padding(payload.count))
        var bytes: [UInt8] = [kind, flags, 0, 0, 0, 0, 0, 0]
        bytes.append(littleEndian: a)
        bytes.append(littleEndian: b)
        bytes.append(littleEndian: c)
        let check = JournalRecord.check(bytes, seed: seed)
        for byte in 0..<4 { bytes[4 + byte] = UInt8(truncatingIfNeeded: check >> (8 * UInt32(byte))) }
        return bytes + payload
    }

    /// The record at the start of `bytes`, and its length in units of 32 bytes; nil if there is no valid one.
    static func decode(
        _ bytes: UnsafeRawBufferPointer, seed: UInt64
    ) -> (record: JournalRecord, count: Int)? {
        guard bytes.count >= length else { return nil }
        var unchecked = [UInt8](bytes[..<length])
        unchecked.replaceSubrange(4..<8, with: [0, 0, 0, 0])
        guard check(unchecked, seed: seed) == bytes.littleEndian(UInt32.self, at: 4) else { return nil }
        let a = bytes.littleEndian(UInt64.self, at: 8)
        let b = bytes.littleEndian(UInt64.self, at: 16)
        let c = bytes.littleEndian(UInt64.self, at: 24)
        switch bytes[0] {
        case 1:
            let isProvisional = bytes[1] & 1 != 0
            return ByteRange(possibleFrom: a, length: b).map {
                (.held($0, checksum: c, isProvisional: isProvisional), 1)
            }
        case 2: return ByteRange(possibleFrom: a, length: b).map { (.lost($0), 1) }
        case 3:
            switch b {
            case 0: return (.durable(records: a), 1)
            case 1: return (.syncing, 1)
            case 2: return (.synced(number: c), 1)
            default: return nil
            }
        case 4: return (.boot(BootID(low: a, high: b)), 1)
        case 5: return (.publishing(number: a, inode: b, owed: Recipients(rawValue: UInt8(truncatingIfNeeded: c))), 1)
        case 6: return c.isPossible ? (.published(number: a, inode: b, time: c), 1) : nil
        case 7: return ByteRange(possibleFrom: a, length: b).map { (.adopted($0), 1) }
        case 8: return a.isPossible && a > 0 ? (.chunkSize(a), 1) : nil
        case 9:
            guard a > 0, ByteRange(possibleFrom: Journal.tailOffset, length: b) != nil else { return nil }
            return (.tail(Tail(number: a, length: b)), 1)
        case 10: return a.isPossible ? (.size(a), 1) : nil
        case 11:
            guard let texts = payload(of: bytes, count: a, checksum: b), texts.count % 2 == 0 else { return nil }
            let pairs = stride(from: 0, to: texts.count, by: 2).map {
                Metadata.Pair(name: texts[$0], value: texts[$0 + 1])
            }
            return (.described(Metadata(pairs)), 1 + units(a))
        case 12:
            guard c.isPossible else { return nil }
            return (.settled(Recipients(rawValue: UInt8(truncatingIfNeeded: a)), isDropped: b != 0, time: c), 1)
        case 13:
            guard let texts = payload(of: bytes, count: a >> 32, checksum: b), texts.count == 1, c.isPossible
            else { return nil }
            let attempts = Attempts(count: Int(a >> 8 & 0xff_ffff), next: c, reason: texts[0])
            return (.attempted(Recipients(rawValue: UInt8(truncatingIfNeeded: a)), attempts), 1 + units(a >> 32))
        default: return nil
        }
    }

    /// The longest payload in bytes: more than all parameters of a request may have.
    static let maximumPayload = 128 << 10

    /// The texts of a record's payload; nil if it is cut off or its checksum differs.
    private static func payload(of bytes: UnsafeRawBufferPointer, count: UInt64, checksum: UInt64) -> [String]? {
        guard count <= maximumPayload, (1 + units(count)) * length <= bytes.count else { return nil }
        let payload = UnsafeRawBufferPointer(rebasing: bytes[length..<(length + Int(count))])
        guard Checksum.of(payload) == checksum else { return nil }
        return payload.texts
    }

    /// The length of a payload of `count` bytes in units of 32 bytes.
    private static func units(_ count: UInt64) -> Int { (Int(count) + padding(Int(count))) / length }

    /// How many zeros pad a payload of `count` bytes.
    private static func padding(_ count: Int) -> Int { (length - count % length) % length }

    /// The seed for the record after the one with these bytes. The first record's seed is the nonce.
    static func seed(behind bytes: ArraySlice<UInt8>, _ seed: UInt64) -> UInt64 {
        let check = bytes.withUnsafeBytes { $0.littleEndian(UInt32.self, at: 4) }
        return seed &+ 1 &+ UInt64(check) << 32
    }

    private static func check(_ bytes: [UInt8], seed: UInt64) -> UInt32 {
        bytes.withUnsafeBytes { UInt32(truncatingIfNeeded: Checksum.of($0, seed: seed)) }
    }
}

extension UInt64 {
    /// True if a size, an offset or a time can have this value.
    fileprivate var isPossible: Bool { self <= UInt64(Int64.max) }
}

extension ByteRange {
    /// The range; nil if no file can have it.
    fileprivate init?(possibleFrom start: UInt64, length: UInt64) {
        self.init(from: start, length: length)
        guard end.isPossible else { return nil }
    }
}

/// The last chunk of an upload, kept far behind the file because its offset is not known yet.
struct Tail: Equatable {
    /// The chunk's number.
    var number: UInt64
    /// In bytes.
    var length: UInt64

    /// Where it is kept while its offset is not known; nil if the record is forged.
    var range: ByteRange? { ByteRange(from: Journal.tailOffset, length: length) }
}

/// Identifies one boot of the machine.
package struct BootID: Sendable, Equatable {
    var low: UInt64
    var high: UInt64

    /// The id with these two halves.
    package init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }
}

extension [UInt8] {
    /// Texts, each with its length in front (4 bytes).
    fileprivate init(texts: [String]) {
        self = []
        for text in texts {
            append(littleEndian: UInt32(text.utf8.count))
            append(contentsOf: text.utf8)
        }
    }

    fileprivate mutating func append(littleEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }
}

extension UnsafeRawBufferPointer {
    /// Texts, each with its length in front (4 bytes); nil if the bytes are anything else.
    fileprivate var texts: [String]? {
        var texts: [String] = []
        var position = 0
        while position < count {
            guard position + 4 <= count else { return nil }
            let end = position + 4 + Int(littleEndian(UInt32.self, at: position))
            guard end <= count, let text = String(validating: self[(position + 4)..<end], as: UTF8.self) else {
                return nil
            }
            texts.append(text)
            position = end
        }
        return texts
    }

    fileprivate func littleEndian<Number: FixedWidthInteger>(_: Number.Type, at offset: Int) -> Number {
        Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: Number.self))
    }
}
