import UploadModel

// The bytes of a `WholeFileRecord`:
//
//     0   1  version: 1
//     1   1  1 once the file's name survives a power cut. The only byte that changes
//     2   4  check: the low half of the XXH3 of all from byte 6 on. Its seed is the XXH3 of the file's name, so the
//            record does not count under another name
//     6   1  flags: which of the texts are derived from others, as below
//     7   8  nonce
//     15  8  checksum of the file's bytes (XXH3)
//     23  4  digest of the boot's id
//     27  .  numbers: inode, size of the file, size of the chunks or 0, begun, the seconds from then until the file was
//            published, the number of the header's texts (JournalTexts.swift)
//         .  those of the texts that are not derived
//         .  words of the metadata: names and values
//
// A number has 7 bits in each byte, the lowest first, and the highest bit set in all bytes but its last. A text is its
// length as a number, and its UTF-8. A word is the number of one of `words`, or, as a text, its length plus their count
// and its UTF-8.
//
//     flag  is set if
//     1     the identifier is the default of Resumable.js: size, hyphen, and the letters, digits, hyphens and underscores
//           of the path that the client states
//     2     the file name is the name on disk
//     4     the relative path is the file name
//     8     the time of the last modification is stored as a number
//
// So the record of a usual file has 40 to 60 bytes. With its inodes of 256 bytes, ext4 has space for 60 beside the
// name of the attribute; a longer one takes a block of its own, which is written with each file.

extension WholeFileRecord {
    private static let version: UInt8 = 1
    /// The longest record in bytes. ext4 has 4 KiB for all attributes of a file, a security label included.
    private static let maximumLength = 3 << 10

    private struct Flags: OptionSet {
        let rawValue: UInt8

        static let identifierIsDefault = Flags(rawValue: 1)
        static let filenameIsName = Flags(rawValue: 2)
        static let pathIsFilename = Flags(rawValue: 4)
        static let modifiedIsNumber = Flags(rawValue: 8)
        static let all: Flags = [.identifierIsDefault, .filenameIsName, .pathIsFilename, .modifiedIsNumber]
    }

    /// Names and values that clients often send. Their order must not change.
    private static let words = [
        "resumableType", "", "application/octet-stream", "image/jpeg", "image/png", "image/gif", "image/webp",
        "image/heic", "image/tiff", "image/svg+xml", "application/pdf", "text/plain", "text/csv", "text/html",
        "application/json", "application/xml", "application/zip", "audio/mpeg", "audio/wav", "video/mp4", "video/webm",
        "video/quicktime", "application/msword", "application/vnd.ms-excel",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ]

    /// The position of the time of the last modification among the header's texts.
    private static let modifiedText = 6

    /// True if a record with that header and metadata fits into an attribute.
    static func fits(_ header: JournalHeader, _ metadata: Metadata) -> Bool {
        let texts = header.texts.reduce(0) { $0 + $1.utf8.count + 4 }
        let described = metadata.pairs.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 8 }
        return 128 + texts + described <= maximumLength
    }

    /// The attribute.
    var encoded: [UInt8] {
        var flags: Flags = []
        let texts = header.texts
        if texts[0].hasBytes(of: WholeFileRecord.defaultIdentifier(size, texts)) { flags.insert(.identifierIsDefault) }
        if id.filename.isUnchanged { flags.insert(.filenameIsName) }
        if texts.count > 2, texts[2].hasBytes(of: texts[1]) { flags.insert(.pathIsFilename) }
        if let time = header.lastModified, texts[WholeFileRecord.modifiedText] == String(time) {
            flags.insert(.modifiedIsNumber)
        }
        var bytes: [UInt8] = [flags.rawValue]
        bytes.append(header.nonce, 8)
        bytes.append(checksum, 8)
        bytes.append(UInt64(bootDigest), 4)
        for number in [inode, size, header.chunkSize ?? 0, header.begun, time &- header.begun, UInt64(texts.count)] {
            bytes.append(number: number)
        }
        for (index, text) in texts.enumerated() {
            switch index {
            case 0 where flags.contains(.identifierIsDefault), 1 where flags.contains(.filenameIsName),
                2 where flags.contains(.pathIsFilename):
                break
            case WholeFileRecord.modifiedText where flags.contains(.modifiedIsNumber):
                bytes.append(number: header.lastModified ?? 0)
            default: bytes.append(text: text)
            }
        }
        for pair in metadata.pairs {
            for text in [pair.name, pair.value] {
                if let index = WholeFileRecord.words.firstIndex(where: { $0.hasBytes(of: text) }) {
                    bytes.append(number: UInt64(index))
                } else {
                    bytes.append(text: text, lengthPlus: WholeFileRecord.words.count)
                }
            }
        }
        var all = [WholeFileRecord.version, isPublished ? 1 : 0]
        all.append(UInt64(WholeFileRecord.check(bytes[...], id.filename.text)), 4)
        return all + bytes
    }

    /// The record in an attribute; nil if the attribute is anything else.
    ///
    /// - Parameter name: the file's name.
    init?(_ attribute: [UInt8], name: String) {
        guard attribute.count > 6, attribute[0] == WholeFileRecord.version else { return nil }
        var reader = Reader(bytes: attribute[2...])
        guard reader.fixed(4) == UInt64(WholeFileRecord.check(attribute[6...], name)),
            let flags = reader.fixed(1).map({ Flags(rawValue: UInt8($0)) }), flags.isSubset(of: .all),
            let nonce = reader.fixed(8), let checksum = reader.fixed(8), let boot = reader.fixed(4),
            let inode = reader.number(), let size = reader.number(), let chunkSize = reader.number(),
            let begun = reader.number(), let seconds = reader.number(),
            let texts = reader.texts(flags, name, size: size)
        else { return nil }
        var metadata: [Metadata.Pair] = []
        while !reader.bytes.isEmpty {
            guard let name = reader.word(), let value = reader.word() else { return nil }
            metadata.append(.init(name: name, value: value))
        }
        let time = begun &+ seconds
        let header = JournalHeader(
            size: size, chunkSize: chunkSize == 0 ? nil : chunkSize, nonce: nonce, begun: begun, texts: texts)
        // The journal of an upload that counts for a token is never made from an attribute, which others may write.
        guard [size, chunkSize, begun, time].allSatisfy({ $0 <= Int64.max }), header.tokenID == nil,
            let id = header.uploadID
        else { return nil }
        self.init(
            header: header, id: id, size: size, checksum: checksum, metadata: Metadata(metadata),
            bootDigest: UInt32(boot), inode: inode, time: time, isPublished: attribute[1] == 1)
    }

    private static func check(_ bytes: ArraySlice<UInt8>, _ name: String) -> UInt32 {
        let seed = Array(name.utf8).withUnsafeBytes { Checksum.of($0) }
        return UInt32(truncatingIfNeeded: bytes.withUnsafeBytes { Checksum.of($0, seed: seed) })
    }

    /// The identifier that Resumable.js gives the file.
    private static func defaultIdentifier(_ size: UInt64, _ texts: [String]) -> String {
        let path = texts.count > 2 && !texts[2].isEmpty ? texts[2] : texts[1]
        let plain = path.utf8.filter { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        return "\(size)-" + String(decoding: plain, as: UTF8.self)
    }

    /// Reads the parts of a record in order.
    private struct Reader {
        var bytes: ArraySlice<UInt8>

        /// The next number of so many bytes, the lowest first.
        mutating func fixed(_ count: Int) -> UInt64? {
            guard bytes.count >= count else { return nil }
            defer { bytes = bytes.dropFirst(count) }
            return bytes.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }

        mutating func number() -> UInt64? {
            var number: UInt64 = 0
            for shift in stride(from: 0, to: 64, by: 7) {
                guard let byte = bytes.popFirst() else { return nil }
                number |= UInt64(byte & 0x7f) << UInt64(shift)
                if byte < 0x80 { return number }
            }
            return nil
        }

        mutating func text() -> String? { number().flatMap { text($0) } }

        mutating func word() -> String? {
            guard let number = number() else { return nil }
            let count = UInt64(WholeFileRecord.words.count)
            return number < count ? WholeFileRecord.words[Int(number)] : text(number - count)
        }

        private mutating func text(_ length: UInt64) -> String? {
            guard length <= bytes.count else { return nil }
            defer { bytes = bytes.dropFirst(Int(length)) }
            return String(validating: bytes.prefix(Int(length)), as: UTF8.self)
        }

        /// The header's texts.
        mutating func texts(_ flags: Flags, _ name: String, size: UInt64) -> [String]? {
            guard let count = number(), (2...16).contains(count) else { return nil }
            var texts: [String] = []
            for index in 0..<Int(count) {
                let text: String?
                switch index {
                case 0 where flags.contains(.identifierIsDefault): text = ""
                case 1 where flags.contains(.filenameIsName): text = name
                case 2 where flags.contains(.pathIsFilename): text = texts[1]
                case WholeFileRecord.modifiedText where flags.contains(.modifiedIsNumber):
                    text = number().map { String($0) }
                default: text = self.text()
                }
                guard let text else { return nil }
                texts.append(text)
            }
            if flags.contains(.identifierIsDefault) { texts[0] = WholeFileRecord.defaultIdentifier(size, texts) }
            return texts
        }
    }
}

extension BootID {
    /// Tells one boot from another, nearly always.
    var digest: UInt32 {
        withUnsafeBytes(of: (low.littleEndian, high.littleEndian)) { UInt32(truncatingIfNeeded: Checksum.of($0)) }
    }
}

extension [UInt8] {
    /// Appends the lowest bytes of a number, the lowest first.
    fileprivate mutating func append(_ number: UInt64, _ count: Int) {
        for index in 0..<count { append(UInt8(truncatingIfNeeded: number >> UInt64(8 * index))) }
    }

    fileprivate mutating func append(number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    fileprivate mutating func append(text: String, lengthPlus more: Int = 0) {
        append(number: UInt64(text.utf8.count + more))
        append(contentsOf: text.utf8)
    }
}
