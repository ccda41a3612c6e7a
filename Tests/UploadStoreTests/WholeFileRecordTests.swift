import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// The bytes of the record in a finished file's attribute.

@Suite struct WholeFileRecordTests {
    private func record(
        _ texts: [String], size: UInt64 = 65536, chunkSize: UInt64? = 1 << 20, begun: UInt64 = 1_796_000_000,
        time: UInt64 = 1_796_000_001, metadata: Metadata = Metadata()
    ) throws -> WholeFileRecord {
        let header = JournalHeader(size: size, chunkSize: chunkSize, nonce: 1 << 63 | 5, begun: begun, texts: texts)
        return WholeFileRecord(
            header: header, id: try #require(header.uploadID), size: size, checksum: .max - 1, metadata: metadata,
            bootDigest: .max - 2, inode: 12_345_678, time: time)
    }

    private static let texts = [
        ["65536-photobin", "photo.bin", "photo.bin", "", "", "", "1700000000000"],
        ["65536-photobin", "photo.bin"],
        ["65536-folderphotobin", "photo.bin", "folder/photo.bin", "", "", "", "0", "folder/photo.bin"],
        ["65536-photobin", "photo.bin", "folder/photo.bin"],
        ["an identifier", "photo.bin", "", "owner", "its/folder"],
        ["65536-", "\u{1f4f7}", "\u{1f4f7}", "", "", "", "007"],
        ["65536-caf", "caf\u{e9}", "cafe\u{301}"],
        ["id", String(repeating: "n", count: 300), "", "", "", "", "+7"],
    ]

    @Test("A record is read as it was written", arguments: texts)
    func roundTrip(texts: [String]) throws {
        let pairs: [Metadata.Pair] = [
            .init(name: "album", value: ""), .init(name: "album", value: "\u{e9}"),
            .init(name: "resumableType", value: "image/png"), .init(name: "", value: "image/pngs"),
        ]
        for (size, chunkSize, time, metadata) in [
            (65536, 1 << 20, 1_796_000_001, Metadata()), (0, nil, 0, Metadata(pairs)),
            (UInt64(Int64.max), UInt64(Int64.max), UInt64(Int64.max), Metadata()),
        ] as [(UInt64, UInt64?, UInt64, Metadata)] {
            var record = try record(texts, size: size, chunkSize: chunkSize, time: time, metadata: metadata)
            for isPublished in [false, true] {
                record.isPublished = isPublished
                let read = try #require(WholeFileRecord(record.encoded, name: record.id.filename.text))
                #expect(read.header == record.header)
                #expect(read.header.texts.map { Array($0.utf8) } == texts.map { Array($0.utf8) })
                #expect(read.id == record.id)
                #expect(read.metadata == metadata)
                #expect((read.size, read.checksum, read.bootDigest) == (size, .max - 1, .max - 2))
                #expect((read.inode, read.time, read.isPublished) == (12_345_678, time, isPublished))
            }
        }
    }

    @Test("The record of a file that Resumable.js sends has at most 60 bytes, which ext4 keeps in the inode")
    func length() throws {
        let type = Metadata([.init(name: "resumableType", value: "application/octet-stream")])
        #expect(try record(Self.texts[0], metadata: type).encoded.count <= 60)
        let large = ["104857600-photobin"] + Self.texts[0][1...]
        #expect(try record(large, size: 100 << 20, chunkSize: 100 << 20, metadata: type).encoded.count <= 60)
    }

    @Test("A record that is damaged or cut off, or under another name, does not count")
    func damage() throws {
        let bytes = try record(Self.texts[0], metadata: Metadata([.init(name: "a", value: "b")])).encoded
        #expect(WholeFileRecord(bytes, name: "photo.bin") != nil)
        #expect(WholeFileRecord(bytes, name: "other.bin") == nil)
        #expect(WholeFileRecord(bytes + [0], name: "photo.bin") == nil)
        for index in bytes.indices {
            #expect(WholeFileRecord(Array(bytes[..<index]), name: "photo.bin") == nil)
            var damaged = bytes
            damaged[index] ^= 4
            // The mark is the only byte that the check leaves out.
            #expect((WholeFileRecord(damaged, name: "photo.bin") != nil) == (index == 1))
        }
    }

    @Test("Bytes that another program writes with a right check end in a record or in none")
    func forged() throws {
        let good = try record(Self.texts[0]).encoded
        let seed = Array("photo.bin".utf8).withUnsafeBytes { Checksum.of($0) }
        var generator = SplitMix64(seed: 1)
        var count = 0
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 6..<bytes.count, using: &generator)] = UInt8(truncatingIfNeeded: generator.next())
            }
            bytes.removeLast(Int.random(in: 0...5, using: &generator))
            let check = bytes[6...].withUnsafeBytes { Checksum.of($0, seed: seed) }
            for index in 0..<4 { bytes[2 + index] = UInt8(truncatingIfNeeded: check >> UInt64(8 * index)) }
            guard let record = WholeFileRecord(bytes, name: "photo.bin") else { continue }
            count += 1
            #expect(record.header.tokenID == nil)
            _ = record.journal(in: BootID(low: 1, high: 2))
            _ = UploadSummary(record, layout: .flat)
        }
        #expect(count > 100)
    }
}
