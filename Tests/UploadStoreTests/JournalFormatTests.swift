import Testing
import UploadModel

@testable import UploadStore

// The byte table in JournalFormat.swift, written out by hand. Only the checksums come from the library.

@Suite struct JournalFormatTests {
    static let header = JournalHeader(
        size: 0x0102_0304_0506_0708, chunkSize: 0x3132_3334_3536_3738, nonce: 0x1112_1314_1516_1718,
        begun: 0x2122_2324_2526_2728, texts: ["ab", "ü"])

    static let headerBytes: [UInt8] = [
        0x52, 0x53, 0x4d, 0x42, 0x4c, 0x44, 0x00, 0x02,  // RSMBLD, 0, version 2
        68, 0, 0, 0,  // 48, two texts of 4 + 2, 8
        2, 0, 0, 0,
        0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,
        0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31,
        0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
        0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21,
        2, 0, 0, 0, 0x61, 0x62,
        2, 0, 0, 0, 0xc3, 0xbc,
    ]

    static func records() throws -> [(record: JournalRecord, bytes: [UInt8])] {
        let range = try ByteRange(0x1234..<0x1334)
        return [
            (
                .held(range, checksum: 0x0102_0304_0506_0708),
                [
                    1, 0, 0, 0, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0,
                    0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,
                ]
            ),
            (
                .lost(range),
                [2, 0, 0, 0, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            ),
            (.durable(records: 258), [3, 0, 0, 0, 2, 1] + [UInt8](repeating: 0, count: 22)),
            (
                .boot(BootID(low: 5, high: 6)),
                [4, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            ),
            (
                .publishing(number: 7, inode: 8),
                [5, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            ),
            (
                .publishing(number: 7, inode: 8, owed: Recipients(rawValue: 5)),
                [5, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]
            ),
            (
                .published(number: 7, inode: 8, time: 9),
                [6, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]
            ),
            (
                .adopted(range),
                [7, 0, 0, 0, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            ),
            (.chunkSize(258), [8, 0, 0, 0, 2, 1] + [UInt8](repeating: 0, count: 22)),
            (
                .tail(Tail(number: 258, length: 3)),
                [9, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 3] + [UInt8](repeating: 0, count: 15)
            ),
            (.size(258), [10, 0, 0, 0, 2, 1] + [UInt8](repeating: 0, count: 22)),
            (
                .settled(Recipients(rawValue: 5), isDropped: false, time: 258),
                [12, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]
            ),
            (
                .settled(Recipients(rawValue: 2), isDropped: true, time: 9),
                [12, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]
            ),
            (.syncing, [3] + [UInt8](repeating: 0, count: 11) + [1] + [UInt8](repeating: 0, count: 15)),
            (
                .synced(number: 258),
                [3] + [UInt8](repeating: 0, count: 11) + [2] + [UInt8](repeating: 0, count: 7) + [2, 1]
                    + [UInt8](repeating: 0, count: 6)
            ),
        ]
    }

    private func decodeHeader(_ bytes: [UInt8]) -> (header: JournalHeader, length: Int)? {
        bytes.withUnsafeBytes { JournalHeader.decode($0) }
    }

    private func decodeRecord(_ bytes: [UInt8], seed: UInt64 = 80) -> JournalRecord? {
        bytes.withUnsafeBytes { JournalRecord.decode($0, seed: seed)?.record }
    }

    @Test("The checksum is XXH3 with 64 bits")
    func checksum() {
        // The value for no bytes, from the xxHash specification's implementations.
        #expect(Checksum.of(UnsafeRawBufferPointer(start: nil, count: 0)) == 0x2d06_8005_38d3_94c2)
        let bytes = content(1000)
        guard let pieces = Checksum() else {
            Issue.record("no memory")
            return
        }
        for start in stride(from: 0, to: 1000, by: 7) {
            bytes[start..<min(start + 7, 1000)].withUnsafeBytes { pieces.update($0) }
        }
        #expect(pieces.value == bytes.withUnsafeBytes { Checksum.of($0) })
    }

    @Test("The name of an upload's files is the SHA-256 of identifier and file name")
    func key() throws {
        // FIPS 180-2, appendix B.1.
        #expect(
            sha256Hex(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let files = UploadFiles(key: UploadKey(try uploadID("../../etc", "passwd")), nonce: 0xabc)
        #expect(files.journal == sha256Hex(Array("9:../../etcpasswd".utf8)) + ".journal")
        #expect(files.data == sha256Hex(Array("9:../../etcpasswd".utf8)) + "-0000000000000abc.data")
    }

    @Test("The header's bytes are where the table says")
    func headerBytes() {
        let bytes = Self.header.encoded
        #expect(bytes.count == 68)
        #expect(Array(bytes.dropLast(8)) == Self.headerBytes)
    }

    @Test("A header is read as it was written, whatever follows it")
    func headerRoundTrip() throws {
        for tail in [[], [0], content(100)] {
            let found = try #require(decodeHeader(Self.header.encoded + tail))
            #expect(found.header == Self.header)
            #expect(found.length == 68)
        }
    }

    @Test("A header with any bit flipped is invalid")
    func flippedHeader() {
        for bit in 0..<(68 * 8) {
            var bytes = Self.header.encoded + [UInt8](repeating: 0, count: 64)
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(decodeHeader(bytes) == nil, "bit \(bit)")
        }
    }

    @Test("A truncated header is invalid")
    func cutHeader() {
        for length in 0..<68 { #expect(decodeHeader(Array(Self.header.encoded[..<length])) == nil, "\(length) bytes") }
    }

    @Test("A header with contradicting lengths is invalid although its checksum is right")
    func contradictingHeader() {
        // Each with a right checksum: a wrong number of texts, a wrong length, a text that is not UTF-8.
        let mistakes: [(position: Int, value: UInt8)] = [(12, 3), (15, 0xff), (48, 200), (51, 0xff), (52, 0xff)]
        for (position, value) in mistakes {
            var bytes = Self.headerBytes
            bytes[position] = value
            let checksum = bytes.withUnsafeBytes { Checksum.of($0) }
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: checksum >> (8 * $0)) }
            #expect(decodeHeader(bytes) == nil, "byte \(position) is \(value)")
        }
    }

    @Test("The records' bytes are where the table says")
    func recordBytes() throws {
        for (record, expected) in try Self.records() {
            let bytes = record.encoded(seed: 80)
            #expect(bytes.count == 32)
            #expect(Array(bytes[..<4] + bytes[8...]) == expected, "\(record)")
        }
    }

    @Test("A record is read as it was written")
    func recordRoundTrip() throws {
        for (record, _) in try Self.records() {
            #expect(decodeRecord(record.encoded(seed: 80)) == record)
        }
    }

    @Test("A record with an impossible value is invalid although its checksum is right")
    func impossible() throws {
        // The table's bytes, with the right check.
        func sealed(_ kind: UInt8, _ a: UInt64, _ b: UInt64, _ c: UInt64) -> [UInt8] {
            func bytes(_ number: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
            var record = [kind, 0, 0, 0, 0, 0, 0, 0] + bytes(a) + bytes(b) + bytes(c)
            let check = record.withUnsafeBytes { Checksum.of($0, seed: 80) }
            record.replaceSubrange(4..<8, with: bytes(check).prefix(4))
            return record
        }
        let (most, place) = (UInt64(Int64.max), Journal.tailOffset)
        let edges: [(possible: [UInt8], impossible: [UInt8])] = [
            (sealed(1, most - 1, 1, 0), sealed(1, most, 1, 0)), (sealed(2, 0, most, 0), sealed(2, 0, most + 1, 0)),
            (sealed(7, 1, most - 1, 0), sealed(7, .max, 1, 0)), (sealed(6, 0, 9, most), sealed(6, 0, 9, most + 1)),
            (sealed(8, 1, 0, 0), sealed(8, 0, 0, 0)), (sealed(8, most, 0, 0), sealed(8, most + 1, 0, 0)),
            (sealed(9, 1, 0, 0), sealed(9, 0, 0, 0)), (sealed(9, 1, most - place, 0), sealed(9, 1, .max, 0)),
            (sealed(10, most, 0, 0), sealed(10, .max, 0, 0)),
        ]
        for (possible, impossible) in edges {
            #expect(decodeRecord(possible) != nil, "\(possible)")
            #expect(decodeRecord(impossible) == nil, "\(impossible)")
        }
        var header = Self.header
        header.size = most
        #expect(decodeHeader(header.encoded)?.header == header)
        header.size = most + 1
        #expect(decodeHeader(header.encoded) == nil)
    }

    @Test("A record with any bit flipped is invalid")
    func flippedRecord() throws {
        for (record, _) in try Self.records() {
            for bit in 0..<(32 * 8) {
                var bytes = record.encoded(seed: 80)
                bytes[bit / 8] ^= 1 << UInt8(bit % 8)
                #expect(decodeRecord(bytes) == nil, "\(record), bit \(bit)")
            }
        }
    }

    @Test("A record is valid only at its own position in its own journal")
    func movedRecord() throws {
        for (record, _) in try Self.records() {
            let bytes = record.encoded(seed: 80)
            for seed: UInt64 in [79, 81, 0, 80 + 1 << 32] { #expect(decodeRecord(bytes, seed: seed) == nil) }
        }
    }

    @Test("The seed is the nonce, plus the number of records before, plus the sum of their checks in the upper half")
    func seeds() throws {
        let records = try Self.records().map(\.record)
        var sum: UInt64 = 0
        var seed: UInt64 = 77
        for (number, record) in records.enumerated() {
            #expect(seed == 77 + UInt64(number) &+ sum << 32)
            let encoded = record.encoded(seed: seed)
            seed = JournalRecord.seed(behind: encoded[...], seed)
            for byte in 0..<4 { sum += UInt64(encoded[4 + byte]) << UInt64(8 * byte) }
        }
    }

    /// Records with texts.
    static let long: [JournalRecord] = [
        .described(Metadata([.init(name: "title", value: "Größe")])),
        .attempted(
            Recipients(rawValue: 5), Attempts(count: 258, next: 1_700_000_000, reason: "nobody answers at this port")),
    ]

    @Test("A record with texts is read as it was written, and only if it is whole", arguments: long)
    func textsBehind(record: JournalRecord) throws {
        let bytes = record.encoded(seed: 80)
        #expect(bytes.count % 32 == 0)
        #expect(decodeRecord(bytes) == record)
        for length in 0..<bytes.count { #expect(decodeRecord(Array(bytes[..<length])) == nil, "\(length) bytes") }
        for byte in 0..<(bytes.count - 1) where bytes[byte] != 0 || byte < 32 {
            var spoiled = bytes
            spoiled[byte] ^= 4
            #expect(decodeRecord(spoiled) == nil, "byte \(byte)")
        }
    }

    @Test("The numbers of an attempt are where the table says")
    func attempt() {
        let bytes = Self.long[1].encoded(seed: 80)
        let text = Array("nobody answers at this port".utf8)
        #expect(Array(bytes[..<4]) == [13, 0, 0, 0])
        #expect(Array(bytes[8..<16]) == [5, 2, 1, 0, UInt8(4 + text.count), 0, 0, 0])
        #expect(Array(bytes[24..<32]) == [0x00, 0xf1, 0x53, 0x65, 0, 0, 0, 0])
        #expect(Array(bytes[32...]) == [UInt8(text.count), 0, 0, 0] + text + [0])
    }

    @Test("Zeros, as in an unwritten part of a file, are not a valid record")
    func zeros() {
        #expect(decodeRecord([UInt8](repeating: 0, count: 32)) == nil)
        #expect(decodeRecord([]) == nil)
    }
}
