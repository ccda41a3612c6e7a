import CCrypto

/// Signs events as the Standard Webhooks specification describes: HMAC-SHA256 (RFC 2104) with a shared key over
/// identifier, time and body. While a site replaces its key, several keys may be in use, and each makes a signature.
package struct WebhookKey: Sendable {
    /// The length of a key in bytes (specification, "Symmetric signatures").
    package static let lengths = 24...64
    /// The most keys in use at once.
    package static let maximumCount = 4

    private let keys: [[UInt8]]

    /// - Parameter texts: each `whsec_` and a key of 24 to 64 bytes in base64 (RFC 4648, section 4).
    /// - Returns: nil if there are none or more than four, or one of them is malformed.
    package init?(_ texts: [String]) {
        guard (1...WebhookKey.maximumCount).contains(texts.count) else { return nil }
        var keys: [[UInt8]] = []
        for text in texts {
            guard text.hasPrefix("whsec_"), let key = decoded(Array(text.utf8.dropFirst("whsec_".utf8.count))),
                WebhookKey.lengths.contains(key.count)
            else { return nil }
            keys.append(key)
        }
        self.keys = keys
    }

    /// The value of the header `webhook-signature`.
    ///
    /// - Parameters:
    ///   - id: the value of `webhook-id`.
    ///   - timestamp: the value of `webhook-timestamp`, in Unix seconds.
    package func signature(id: String, timestamp: UInt64, body: [UInt8]) -> String {
        let signed = Array("\(id).\(timestamp).".utf8) + body
        return keys.map { "v1," + encoded(hmacSHA256(key: $0, signed)) }.joined(separator: " ")
    }
}

private func hmacSHA256(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { buffer, count in
        var length: UInt32 = 0
        _ = HMAC(EVP_sha256(), key, Int32(key.count), bytes, bytes.count, buffer.baseAddress, &length)
        count = Int(length)
    }
}

private func encoded(_ bytes: [UInt8]) -> String {
    // EVP_EncodeBlock ends its text with a NUL.
    let text = [UInt8](unsafeUninitializedCapacity: (bytes.count + 2) / 3 * 4 + 1) { buffer, count in
        count = Int(EVP_EncodeBlock(buffer.baseAddress, bytes, Int32(bytes.count)))
    }
    return String(decoding: text, as: UTF8.self)
}

private func decoded(_ text: [UInt8]) -> [UInt8]? {
    let padding = text.reversed().prefix { $0 == UInt8(ascii: "=") }.count
    guard !text.isEmpty, text.count <= 128, text.count % 4 == 0, padding <= 2 else { return nil }
    var length: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: text.count / 4 * 3) { buffer, count in
        length = EVP_DecodeBlock(buffer.baseAddress, text, Int32(text.count))
        // It decodes the padding as zeros and counts them.
        count = max(0, Int(length) - padding)
    }
    return length < 0 ? nil : bytes
}
