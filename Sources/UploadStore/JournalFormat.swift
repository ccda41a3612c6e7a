import UploadModel

// The journal: one file an upload, only ever appended to, from which everything about the upload follows.
// Numbers are little-endian.
//
//     header                                   a record, 32 bytes
//     0    8  "RSMBLD\0\1": magic, version     0   1  kind
//     8    4  H, the header's length           1   3  zero
//     12   4  number of texts                  4   4  check: low half of XXH3 (seed: nonce + the record's number)
//     16   8  the whole file's size                   of the record with zeros here
//     24   8  nonce, random                    8   8  a
//     32   8  begun, Unix seconds              16  8  b
//     40   .  texts: length (4), UTF-8         24  8  c
//     H-8  8  XXH3 of all before it
//
//     kind         a           b        c             meaning
//     1 held       offset      length   checksum      these bytes of the data file are the client's (XXH3 of them)
//     2 lost       offset      length   -             these bytes count no longer
//     3 durable    -           -        -             all held so far was synced and would survive a power cut
//     4 boot       id (low)    id (high) -            what follows was written while the machine with this boot id ran
//     5 publishing number      inode    -             the data file, of this inode, is about to get its numbered name
//     6 published  number      inode    Unix seconds  it has that name: the upload is complete
//
// Validity rule: the header counts if its length, texts and checksum fit; else the file is half made and as good as
// none. Records count in order up to the first whose check differs or which is cut off; what follows is cleared by the
// next writer. What is held is the fold of the valid records.
//
// Assumed of the medium: a file written and synced keeps its bytes; a rename is atomic; while one boot of the machine
// lasts, reads see what was written. So after a crash of the program alone every record is good, and after a change of
// the boot id those behind the last `durable` are checked against the data by their checksums (`Recovery`). The nonce
// in the check keeps blocks of another, removed journal from passing for records of this one.

/// What the journal's first bytes say.
struct JournalHeader: Equatable {
    static let magic: [UInt8] = [0x52, 0x53, 0x4d, 0x42, 0x4c, 0x44, 0, 1]
    /// The longest header: an identifier, a name and as much again of other texts.
    static let maximumLength = 64 << 10

    var size: UInt64
    var nonce: UInt64
    var begun: UInt64
    /// Identifier, filename.
    var texts: [String]

    var encoded: [UInt8] {
        var body: [UInt8] = []
        for text in texts {
            body.append(littleEndian: UInt32(text.utf8.count))
            body += text.utf8
        }
        var bytes = JournalHeader.magic
        bytes.append(littleEndian: UInt32(40 + body.count + 8))
        bytes.append(littleEndian: UInt32(texts.count))
        bytes.append(littleEndian: size)
        bytes.append(littleEndian: nonce)
        bytes.append(littleEndian: begun)
        bytes += body
        bytes.append(littleEndian: bytes.withUnsafeBytes { Checksum.of($0) })
        return bytes
    }

    init(size: UInt64, nonce: UInt64, begun: UInt64, texts: [String]) {
        self.size = size
        self.nonce = nonce
        self.begun = begun
        self.texts = texts
    }

    /// The header at the start of `bytes` with its length; nil if there is no valid one.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> (header: JournalHeader, length: Int)? {
        guard bytes.count >= 48, bytes.prefix(8).elementsEqual(magic) else { return nil }
        let length = Int(bytes.littleEndian(UInt32.self, at: 8))
        guard (48...maximumLength).contains(length), length <= bytes.count else { return nil }
        let checked = UnsafeRawBufferPointer(rebasing: bytes[..<(length - 8)])
        guard Checksum.of(checked) == bytes.littleEndian(UInt64.self, at: length - 8) else { return nil }
        var texts: [String] = []
        var position = 40
        for _ in 0..<bytes.littleEndian(UInt32.self, at: 12) {
            guard position + 4 <= length - 8 else { return nil }
            let end = position + 4 + Int(bytes.littleEndian(UInt32.self, at: position))
            guard end <= length - 8, let text = String(validating: bytes[(position + 4)..<end], as: UTF8.self) else {
                return nil
            }
            texts.append(text)
            position = end
        }
        let header = JournalHeader(
            size: bytes.littleEndian(UInt64.self, at: 16),
            nonce: bytes.littleEndian(UInt64.self, at: 24),
            begun: bytes.littleEndian(UInt64.self, at: 32),
            texts: texts)
        return (header, length)
    }
}

/// One thing that happened to an upload.
enum JournalRecord: Equatable {
    case held(ByteRange, checksum: UInt64)
    case lost(ByteRange)
    case durable
    case boot(BootID)
    case publishing(number: UInt64, inode: UInt64)
    case published(number: UInt64, inode: UInt64, time: UInt64)

    /// In bytes.
    static let length = 32

    /// The record's bytes, as number `index` (from 0) in a journal with that nonce.
    func encoded(nonce: UInt64, index: Int) -> [UInt8] {
        let (kind, a, b, c): (UInt8, UInt64, UInt64, UInt64) =
            switch self {
            case .held(let range, let checksum): (1, range.start, range.length, checksum)
            case .lost(let range): (2, range.start, range.length, 0)
            case .durable: (3, 0, 0, 0)
            case .boot(let id): (4, id.low, id.high, 0)
            case .publishing(let number, let inode): (5, number, inode, 0)
            case .published(let number, let inode, let time): (6, number, inode, time)
            }
        var bytes: [UInt8] = [kind, 0, 0, 0, 0, 0, 0, 0]
        bytes.append(littleEndian: a)
        bytes.append(littleEndian: b)
        bytes.append(littleEndian: c)
        let check = JournalRecord.check(bytes, nonce: nonce, index: index)
        for byte in 0..<4 { bytes[4 + byte] = UInt8(truncatingIfNeeded: check >> (8 * UInt32(byte))) }
        return bytes
    }

    /// The record in these 32 bytes; nil if it is not a valid one at this place.
    static func decode(_ bytes: UnsafeRawBufferPointer, nonce: UInt64, index: Int) -> JournalRecord? {
        guard bytes.count == length else { return nil }
        var unchecked = [UInt8](bytes)
        unchecked.replaceSubrange(4..<8, with: [0, 0, 0, 0])
        guard check(unchecked, nonce: nonce, index: index) == bytes.littleEndian(UInt32.self, at: 4) else { return nil }
        let a = bytes.littleEndian(UInt64.self, at: 8)
        let b = bytes.littleEndian(UInt64.self, at: 16)
        let c = bytes.littleEndian(UInt64.self, at: 24)
        switch bytes[0] {
        case 1: return ByteRange(from: a, length: b).map { .held($0, checksum: c) }
        case 2: return ByteRange(from: a, length: b).map { .lost($0) }
        case 3: return .durable
        case 4: return .boot(BootID(low: a, high: b))
        case 5: return .publishing(number: a, inode: b)
        case 6: return .published(number: a, inode: b, time: c)
        default: return nil
        }
    }

    private static func check(_ bytes: [UInt8], nonce: UInt64, index: Int) -> UInt32 {
        bytes.withUnsafeBytes { UInt32(truncatingIfNeeded: Checksum.of($0, seed: nonce &+ UInt64(index))) }
    }
}

/// Names one run of the machine, from switching on to the next power cut or reboot.
public struct BootID: Sendable, Equatable {
    var low: UInt64
    var high: UInt64

    /// An id from its two halves.
    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }
}

extension [UInt8] {
    fileprivate mutating func append(littleEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func littleEndian<Number: FixedWidthInteger>(_: Number.Type, at offset: Int) -> Number {
        Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: Number.self))
    }
}
