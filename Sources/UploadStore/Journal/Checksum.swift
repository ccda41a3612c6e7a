import CCrypto
import CXXHash
import Linux

/// A 64-bit XXH3. It finds damage by a failing disk; it does not resist forgery.
struct Checksum: ~Copyable {
    private let state: OpaquePointer

    /// The checksum of no bytes. Nil if there is no memory.
    init?() {
        guard let state = XXH3_createState() else { return nil }
        XXH3_64bits_reset(state)
        self.state = state
    }

    deinit { XXH3_freeState(state) }

    /// Adds bytes.
    func update(_ bytes: UnsafeRawBufferPointer) {
        xxh3_update(state, bytes.baseAddress, bytes.count)
    }

    /// The checksum of the bytes that were added so far.
    var value: UInt64 { XXH3_64bits_digest(state) }

    /// The checksum of `bytes`, with a seed.
    static func of(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
        XXH3_64bits_withSeed(bytes.baseAddress, bytes.count, seed)
    }
}

/// OpenSSL's SHA-256. Its one-shot functions look it up by name each time, which takes longer than the digest of a short
/// text. It is never changed after that.
private nonisolated(unsafe) let sha256Method = EVP_MD_fetch(nil, "SHA256", nil)

/// The SHA-256 of `bytes`: 32 bytes.
package func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: Int(SHA256_DIGEST_LENGTH)) { buffer, count in
        guard EVP_Digest(bytes.baseAddress, bytes.count, buffer.baseAddress, nil, sha256Method, nil) == 1 else {
            fatalError("there is no memory for a digest")
        }
        count = buffer.count
    }
}

/// The SHA-256 of `bytes` in hexadecimal digits.
package func sha256Hex(_ bytes: [UInt8]) -> String { bytes.withUnsafeBytes { sha256($0) }.hexDigits }
