import CCrypto
import CXXHash

/// XXH3 with 64 bits, for what a failing disk does to bytes; not against somebody who forges them.
struct Checksum: ~Copyable {
    private let state: OpaquePointer

    /// The checksum of no bytes yet. Nil if there is no memory.
    init?() {
        guard let state = XXH3_createState() else { return nil }
        XXH3_64bits_reset(state)
        self.state = state
    }

    deinit { XXH3_freeState(state) }

    /// Takes more bytes in.
    func update(_ bytes: UnsafeRawBufferPointer) {
        xxh3_update(state, bytes.baseAddress, bytes.count)
    }

    /// The checksum of all bytes so far.
    var value: UInt64 { XXH3_64bits_digest(state) }

    /// The checksum of `bytes`; another seed makes it another function.
    static func of(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
        XXH3_64bits_withSeed(bytes.baseAddress, bytes.count, seed)
    }
}

/// SHA-256 in hexadecimal digits: the name of an upload in the store.
func sha256Hex(_ bytes: [UInt8]) -> String {
    let digest = [UInt8](unsafeUninitializedCapacity: Int(SHA256_DIGEST_LENGTH)) { buffer, count in
        _ = SHA256(bytes, bytes.count, buffer.baseAddress)
        count = buffer.count
    }
    func digit(_ value: UInt8) -> UInt8 { value + (value < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10) }
    return String(unsafeUninitializedCapacity: 2 * digest.count) { text in
        for (index, byte) in digest.enumerated() {
            text[2 * index] = digit(byte >> 4)
            text[2 * index + 1] = digit(byte & 15)
        }
        return 2 * digest.count
    }
}
