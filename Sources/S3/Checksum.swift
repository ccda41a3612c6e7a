import CCrypto
import Linux

/// A way to let the engine refuse a body that was damaged on its way. The cases are in the order in which they are
/// preferred: the first costs the least time, the last is the oldest and known to every engine.
package enum ChecksumKind: String, CaseIterable, Sendable {
    /// The header `x-amz-checksum-crc32c`.
    case crc32c = "CRC32C"
    /// The hash that belongs to the signature, `x-amz-content-sha256`.
    case sha256 = "SHA-256"
    /// The header `Content-MD5` (RFC 1864).
    case md5 = "MD5"
}

/// The checksum of a body.
package struct Checksum: Sendable, Equatable {
    package let kind: ChecksumKind
    /// In network order.
    package let bytes: [UInt8]

    package init(_ kind: ChecksumKind, bytes: [UInt8]) {
        self.kind = kind
        self.bytes = bytes
    }

    /// The checksum of bytes in memory.
    package init(_ kind: ChecksumKind, of body: [UInt8]) {
        let hasher = ChecksumHasher(kind)
        body.withBytes { hasher.update($0) }
        self = hasher.finish()
    }

    /// The header that states the checksum; nil if it is part of the signature.
    var header: Header? {
        switch kind {
        case .crc32c: Header("x-amz-checksum-crc32c", base64(bytes))
        case .sha256: nil
        case .md5: Header("content-md5", base64(bytes))
        }
    }

    /// The value of `x-amz-content-sha256`.
    var signedHash: String { kind == .sha256 ? bytes.hexDigits : Signer.unsignedPayload }
}

/// Computes the checksum of a body that arrives in pieces.
package final class ChecksumHasher {
    private let kind: ChecksumKind
    private var crc = CRC32C()
    private let context: OpaquePointer?

    package init(_ kind: ChecksumKind) {
        self.kind = kind
        switch kind {
        case .crc32c: context = nil
        case .sha256, .md5:
            context = EVP_MD_CTX_new()
            EVP_DigestInit_ex(context, kind == .md5 ? EVP_md5() : EVP_sha256(), nil)
        }
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Takes the next bytes.
    package func update(_ bytes: UnsafeRawBufferPointer) {
        if let context { EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) } else { crc.update(bytes) }
    }

    /// Returns the checksum of all bytes. To be called once.
    ///
    /// Without memory or without the algorithm, as in a system that allows no MD5, the result has no bytes. No engine
    /// accepts that, so the body is refused and not stored unchecked.
    package func finish() -> Checksum {
        guard let context else {
            return Checksum(kind, bytes: withUnsafeBytes(of: crc.value.bigEndian) { Array($0) })
        }
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { buffer, count in
            var length: UInt32 = 0
            let isDone = EVP_DigestFinal_ex(context, buffer.baseAddress, &length) == 1
            count = isDone ? Int(length) : 0
        }
        return Checksum(kind, bytes: bytes)
    }
}
