import CCrypto

// Tokens made by RFC 7515, without the library that reads them.

package func base64URL(_ bytes: some Collection<UInt8>) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    var text = ""
    var bits = 0
    var value: UInt32 = 0
    for byte in bytes {
        value = value << 8 | UInt32(byte)
        bits += 8
        while bits >= 6 {
            bits -= 6
            text.append(digits[Int(value >> UInt32(bits)) & 63])
        }
    }
    if bits > 0 { text.append(digits[Int(value << UInt32(6 - bits)) & 63]) }
    return text
}

package func base64URL(_ text: String) -> String { base64URL(text.utf8) }

/// A token with that header and those claims, signed with HMAC-SHA-256 (RFC 7515, section 5.1), whatever its header
/// says.
package func signedHS256(header: String, claims: String, secret: [UInt8]) throws -> String {
    let input = base64URL(header) + "." + base64URL(claims)
    var signature = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var count: UInt32 = 0
    let bytes = Array(input.utf8)
    _ = HMAC(EVP_sha256(), secret, Int32(secret.count), bytes, bytes.count, &signature, &count)
    return input + "." + base64URL(signature[..<Int(count)])
}
