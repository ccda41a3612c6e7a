import Linux
import TestSupport
import Testing

@testable import S3

@Suite("Checksums of bodies")
struct ChecksumTests {
    private func crc32c(_ bytes: [UInt8]) -> UInt32 {
        var crc = CRC32C()
        bytes.withBytes { crc.update($0) }
        return crc.value
    }

    @Test("CRC32C is the same by the processor's instruction and by tables", .enabled(if: CRC32C.hasInstruction))
    func instruction() {
        var random = SplitMix64(seed: 4)
        let bytes = (0..<100).map { _ in UInt8.random(in: 0...255, using: &random) }
        for start in 0..<9 {
            for end in start...bytes.count {
                var (one, other) = (CRC32C(usesInstruction: true), CRC32C(usesInstruction: false))
                bytes[start..<end].withBytes {
                    one.update($0)
                    other.update($0)
                }
                #expect(one.value == other.value)
            }
        }
    }

    @Test("The check value is right without the processor's instruction, too")
    func tables() {
        var crc = CRC32C(usesInstruction: false)
        Array("123456789".utf8).withBytes { crc.update($0) }
        #expect(crc.value == 0xe306_9283)
    }

    @Test(
        "CRC32C has the values of RFC 3720, appendix B.4",
        arguments: [
            // The RFC writes the bytes in the order in which iSCSI sends them, which is reversed.
            ([UInt8](repeating: 0, count: 32), 0x8a91_36aa),
            ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
            ([UInt8](0..<32), 0x46dd_794e),
            ([UInt8](0..<32).reversed(), 0x113f_db5c),
        ] as [([UInt8], UInt32)])
    func crc32cOfTheRFC(_ bytes: [UInt8], _ expected: UInt32) {
        #expect(crc32c(bytes) == expected)
    }

    @Test("the check value of CRC32C is that of the catalogue of parametrised CRC algorithms")
    func checkValue() {
        #expect(crc32c(Array("123456789".utf8)) == 0xe306_9283)
    }

    @Test("a checksum is the same however its bytes are cut", arguments: ChecksumKind.allCases)
    func cut(_ kind: ChecksumKind) {
        var random = SplitMix64(seed: 3)
        let bytes = (0..<1000).map { _ in UInt8.random(in: 0...255, using: &random) }
        let whole = Checksum(kind, of: bytes)
        for length in 1...40 {
            let hasher = ChecksumHasher(kind)
            var rest = bytes[...]
            while !rest.isEmpty {
                rest.prefix(length).withBytes { hasher.update($0) }
                rest = rest.dropFirst(length)
            }
            #expect(hasher.finish() == whole)
        }
    }

    @Test("the headers are those of S3 and of RFC 1864")
    func headers() {
        // RFC 1321, appendix A.5.
        #expect(Checksum(.md5, of: Array("abc".utf8)).bytes.hexDigits == "900150983cd24fb0d6963f7d28e17f72")
        #expect(Checksum(.md5, of: []).header == Header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="))
        #expect(
            Checksum(.crc32c, of: Array("123456789".utf8)).header == Header("x-amz-checksum-crc32c", "4waSgw=="))
        #expect(Checksum(.crc32c, of: []).signedHash == "UNSIGNED-PAYLOAD")
        // FIPS 180-4, the example of one block.
        let sha256 = Checksum(.sha256, of: Array("abc".utf8))
        #expect(sha256.header == nil)
        #expect(sha256.signedHash == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }
}
