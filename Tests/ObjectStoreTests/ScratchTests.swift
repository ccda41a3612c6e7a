import Linux
import S3
import TestSupport
import Testing
import UploadModel
import UploadStore

@testable import ObjectStore

@Suite("Bytes on their way to the engine") struct ScratchTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func scratch() throws -> Scratch {
        try Scratch(in: try LinuxDirectory.root(folder.path), checksum: .crc32c, digestedLength: 20_000)
    }

    private let bytes: [UInt8] = {
        var generator = SplitMix64(seed: 6)
        return content(3 * 4096 + 100, &generator)
    }()

    /// The digests of a range, read from the bytes.
    private func expected(_ bytes: some Collection<UInt8>) -> BlockDigests {
        var blocks = BlockDigests()
        Array(bytes).withBytes { blocks.add($0) }
        blocks.end()
        return blocks
    }

    @Test("Digests are the same however the bytes come", arguments: [1, 100, 4096, 5000, 20_000])
    func digests(_ step: Int) throws {
        let scratch = try scratch()
        for start in stride(from: 0, to: bytes.count, by: step) {
            try bytes[start..<min(start + step, bytes.count)].withBytes { try scratch.append($0) }
        }
        let all = ByteRange(first: UInt64(bytes.count))
        #expect(scratch.payload.checksum(.crc32c) == Checksum(.crc32c, of: bytes))
        #expect(scratch.payload.checksum(.crc32c) == Checksum(.crc32c, of: bytes), "again")
        #expect(scratch.payload.checksum(.md5) == nil)
        #expect(try scratch.blocks(all) == expected(bytes))
        #expect(try scratch.blocks(all) == expected(bytes), "again")
        let piece = try #require(ByteRange(from: 4096, to: 9000))
        #expect(scratch.payload(piece).checksum(.crc32c) == nil)
        #expect(try scratch.blocks(piece) == expected(bytes[4096..<9000]))
    }

    @Test("Bytes that are written again are read for their digests")
    func writtenAgain() throws {
        for isAsked in [false, true] {
            let scratch = try scratch()
            try [UInt8](repeating: 1, count: 5000).withBytes { try scratch.append($0) }
            if isAsked { _ = scratch.payload.checksum(.crc32c) }
            try bytes.withBytes { try scratch.write($0, at: 0) }
            #expect(scratch.payload.checksum(.crc32c) == nil)
            #expect(try scratch.blocks(ByteRange(first: scratch.length)) == expected(bytes))
        }
    }

    @Test("Bytes that follow after the checksum was asked for are in it, or it is not known")
    func later() throws {
        let scratch = try scratch()
        try bytes[..<5000].withBytes { try scratch.append($0) }
        #expect(scratch.payload.checksum(.crc32c) == Checksum(.crc32c, of: Array(bytes[..<5000])))
        try bytes[5000...].withBytes { try scratch.append($0) }
        #expect(scratch.payload.checksum(.crc32c) == nil)
        #expect(try scratch.blocks(ByteRange(first: scratch.length)) == expected(bytes))
    }
}
