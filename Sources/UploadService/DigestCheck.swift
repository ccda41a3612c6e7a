import CCrypto

/// Compares bytes that arrive in pieces with the SHA-256 that the client states (RFC 9530, section 2; PROTOCOL.md,
/// Requests).
///
/// The header `Content-Digest` covers the whole body. The form's field `resumableChunkDigest`, of the same syntax,
/// covers the chunk alone.
final class DigestCheck {
    private let expected: [UInt8]
    private let context: OpaquePointer

    /// Nil if `field` has no SHA-256: other algorithms may be ignored (RFC 9530, section 2).
    ///
    /// - Parameters:
    ///   - field: a dictionary of digests: `sha-256=:<base64>:, sha-512=:<base64>:`.
    ///   - name: the name of the header or field.
    /// - Throws: `RequestFailure` if the value of a `sha-256` member cannot be one.
    init?(_ field: String, name: String) throws(RequestFailure) {
        let members = field.split(separator: ",").map { $0.drop { $0 == " " || $0 == "\t" } }
        // The last member of a name counts (RFC 9651, section 4.2.2).
        guard let member = members.last(where: { $0.hasPrefix("sha-256=") }) else { return nil }
        guard let expected = DigestCheck.digest(member.dropFirst("sha-256=".count)) else {
            throw RequestFailure(.malformed("\(name) has no valid sha-256 in it"))
        }
        guard let context = EVP_MD_CTX_new() else {
            throw RequestFailure(
                .retry("The server cannot check the chunk at the moment", after: 10), cause: "no memory")
        }
        guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            EVP_MD_CTX_free(context)
            throw RequestFailure(
                .retry("The server cannot check the chunk at the moment", after: 10), cause: "no SHA-256")
        }
        self.expected = expected
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Takes the next bytes.
    func update(_ bytes: UnsafeRawBufferPointer) {
        EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }

    /// - Throws: `RequestFailure` with `retry` if the bytes have another digest.
    func finish() throws(RequestFailure) {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        guard EVP_DigestFinal_ex(context, &digest, nil) == 1, digest == expected else {
            throw RequestFailure(.retry("The chunk was damaged in transit; please send it again", after: 1))
        }
    }

    /// The 32 bytes of a byte sequence (RFC 9651, section 3.3.5), which parameters may follow.
    private static func digest(_ item: Substring) -> [UInt8]? {
        let parts = item.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        // 32 bytes are 43 digits and one padding sign.
        guard parts.count == 3, parts[0].isEmpty, parts[1].utf8.count == 44, parts[1].hasSuffix("="),
            !parts[1].hasSuffix("=="),
            parts[2].isEmpty || parts[2].hasPrefix(";")
        else { return nil }
        let text = Array(parts[1].utf8)
        var bytes = [UInt8](repeating: 0, count: 33)
        guard EVP_DecodeBlock(&bytes, text, Int32(text.count)) == 33 else { return nil }
        return Array(bytes.dropLast())
    }
}
