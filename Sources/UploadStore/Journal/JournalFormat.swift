import UploadModel

// The journal: one file an upload, only ever appended to, from which everything about the upload follows.
// Numbers are little-endian.
//
//     header                                   a record, 32 bytes
//     0    8  "RSMBLD\0\2": magic, version     0   1  kind
//     8    4  H, the header's length           1   3  zero
//     12   4  number of texts                  4   4  check: low half of XXH3 of the record with zeros here. The
//     16   8  the whole file's size, or ~0             seed: the nonce + how many records come before (texts behind one
//                                                      are none) + 2^32 * the sum of their checks (modulo 2^64)
//     24   8  size of the chunks, or 0         8   8  a
//     32   8  nonce, random                    16  8  b
//     40   8  begun, Unix seconds              24  8  c
//     48   .  texts: length (4), UTF-8
//     H-8  8  XXH3 of all before it
//
//     kind          a           b        c             meaning
//     1  held       offset      length   checksum      these bytes of the data file are the client's (XXH3 of them)
//     2  lost       offset      length   -             these bytes count no longer
//     3  durable    number      -        -             what the records before that number hold would survive a
//                                                      power cut: it was synced
//     4  boot       id (low)    id (high) -            what follows was written while the machine with this boot id ran
//     5  publishing number      inode    recipients    the data file, of this inode, is about to get its numbered name;
//                                                      once it has, these recipients, a bit each, are owed an event
//     6  published  number      inode    Unix seconds  it has that name: the upload is complete
//     7  adopted    offset      length   -             held, and synced before this was written
//     8  chunk size bytes       -        -             the size of all chunks but the last
//     9  tail       number      length   -             the last chunk, of this number, is held far behind the file
//     10 size       bytes       -        -             the whole file's size
//     11 described  n           checksum -             the following n bytes, filled up with zeros to a whole number of
//                                                      records, are what the client says of the file: names and values,
//                                                      each a length (4) and UTF-8
//     12 settled    recipients  how      Unix seconds  these are owed no event any more: it was delivered (0) or an
//                                                      operator has dropped it (1)
//     13 attempted  r, m, n     checksum Unix seconds  the event could not be delivered to the recipients r (the lowest
//                                                      8 bits) for the mth time (24 bits), and is tried again at that
//                                                      time. The following n (32 bits) bytes, filled up like those of
//                                                      11, say why: one text, a length (4) and UTF-8
//
// Validity rule: the header counts if its length, texts and checksum fit; else the file is half made and as good as
// none. Records count in order up to the first whose check (or that of its payload) differs, which is cut off, or which
// says what can't be: sizes, places and times have 63 bits, as Linux's have. What follows is cleared by the next writer. What is held is the fold of the valid records.
//
// The data file's name has the journal's nonce in it: so a journal never vouches for a data file that was begun with
// another, whichever of the two names a power cut took back.
//
// Sizes that the header leaves open come with records 8 to 10: clients of the Flask backend may say only how many chunks
// there are. The last chunk's place is known once another one has told the chunk size; until then it waits at
// `Journal.tailOffset`.
//
// Assumed of the medium: a file written and synced keeps its bytes; a name is kept by a sync of its folder; a rename
// keeps the old name, the new one, or both; while one boot of the machine lasts, reads see what was written. So after a
// crash of the program alone every record is good, and after a change of the boot id those that no `durable` covers are
// checked against the data by their checksums (`Recovery`). The nonce in the check keeps blocks of another, removed
// journal from passing for records of this one. The checks before it keep a record in its place: a power cut may take a
// record and leave those behind it, and later bring them back behind what was written in its stead.

/// What the journal's first bytes say.
struct JournalHeader: Equatable {
    static let magic: [UInt8] = [0x52, 0x53, 0x4d, 0x42, 0x4c, 0x44, 0, 2]
    /// The longest header: an identifier, a name and as much again of other texts.
    static let maximumLength = 64 << 10

    /// In bytes; nil where the client doesn't say it.
    var size: UInt64?
    /// In bytes; nil where the client doesn't say it.
    var chunkSize: UInt64?
    var nonce: UInt64
    var begun: UInt64
    /// Identifier, filename, relative path; where the upload has an owner or a ticket, also the owner's subject and folder
    /// and the ticket. Empty where there is none.
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

    /// The header at the start of `bytes` with its length; nil if there is no valid one.
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

/// One thing that happened to an upload.
enum JournalRecord: Equatable {
    case held(ByteRange, checksum: UInt64)
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

    /// In bytes.
    static let length = 32

    /// The record's bytes; the seed is that of its place in a journal.
    func encoded(seed: UInt64) -> [UInt8] {
        var payload: [UInt8] = []
        let (kind, a, b, c): (UInt8, UInt64, UInt64, UInt64)
        switch self {
        case .held(let range, let checksum): (kind, a, b, c) = (1, range.start, range.length, checksum)
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
        }
        payload += [UInt8](repeating: 0, count: JournalRecord.padding(payload.count))
        var bytes: [UInt8] = [kind, 0, 0, 0, 0, 0, 0, 0]
        bytes.append(littleEndian: a)
        bytes.append(littleEndian: b)
        bytes.append(littleEndian: c)
        let check = JournalRecord.check(bytes, seed: seed)
        for byte in 0..<4 { bytes[4 + byte] = UInt8(truncatingIfNeeded: check >> (8 * UInt32(byte))) }
        return bytes + payload
    }

    /// The record at the start of `bytes`, and how many records' room it takes; nil if there is no valid and whole one.
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
        case 1: return ByteRange(possibleFrom: a, length: b).map { (.held($0, checksum: c), 1) }
        case 2: return ByteRange(possibleFrom: a, length: b).map { (.lost($0), 1) }
        case 3: return (.durable(records: a), 1)
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
            return (.described(Metadata(pairs)), 1 + room(a))
        case 12:
            guard c.isPossible else { return nil }
            return (.settled(Recipients(rawValue: UInt8(truncatingIfNeeded: a)), isDropped: b != 0, time: c), 1)
        case 13:
            guard let texts = payload(of: bytes, count: a >> 32, checksum: b), texts.count == 1, c.isPossible
            else { return nil }
            let attempts = Attempts(count: Int(a >> 8 & 0xff_ffff), next: c, reason: texts[0])
            return (.attempted(Recipients(rawValue: UInt8(truncatingIfNeeded: a)), attempts), 1 + room(a >> 32))
        default: return nil
        }
    }

    /// The most bytes that may follow a record: more than the parameters of a request may have.
    static let maximumPayload = 128 << 10

    /// The texts behind a record; nil if they are not all there, or others.
    private static func payload(of bytes: UnsafeRawBufferPointer, count: UInt64, checksum: UInt64) -> [String]? {
        guard count <= maximumPayload, (1 + room(count)) * length <= bytes.count else { return nil }
        let payload = UnsafeRawBufferPointer(rebasing: bytes[length..<(length + Int(count))])
        guard Checksum.of(payload) == checksum else { return nil }
        return payload.texts
    }

    /// How many records' room that many bytes take.
    private static func room(_ count: UInt64) -> Int { (Int(count) + padding(Int(count))) / length }

    /// What fills `count` bytes up to a whole number of records.
    private static func padding(_ count: Int) -> Int { (length - count % length) % length }

    /// The seed for what follows these bytes of a record; the first one's is the nonce.
    static func seed(behind bytes: ArraySlice<UInt8>, _ seed: UInt64) -> UInt64 {
        let check = bytes.withUnsafeBytes { $0.littleEndian(UInt32.self, at: 4) }
        return seed &+ 1 &+ UInt64(check) << 32
    }

    private static func check(_ bytes: [UInt8], seed: UInt64) -> UInt32 {
        bytes.withUnsafeBytes { UInt32(truncatingIfNeeded: Checksum.of($0, seed: seed)) }
    }
}

extension UInt64 {
    /// True for what a size, a place in a file or a time can be.
    fileprivate var isPossible: Bool { self <= UInt64(Int64.max) }
}

extension ByteRange {
    /// The range, if a file can have it.
    fileprivate init?(possibleFrom start: UInt64, length: UInt64) {
        self.init(from: start, length: length)
        guard end.isPossible else { return nil }
    }
}

/// A last chunk that came before its place was known.
struct Tail: Equatable {
    var number: UInt64
    /// In bytes.
    var length: UInt64
}

/// Names one run of the machine, from switching on to the next power cut or reboot.
package struct BootID: Sendable, Equatable {
    var low: UInt64
    var high: UInt64

    /// An id from its two halves.
    package init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }
}

extension [UInt8] {
    /// Texts, each with its length in front.
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
    /// Texts, each with its length in front; nil if these bytes are something else.
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
