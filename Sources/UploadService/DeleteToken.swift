import CCrypto

/// The secret that permits removing unfinished uploads that have no owner (PROTOCOL.md, Upload tokens).
package struct DeleteToken: Sendable {
    /// The fewest bytes that a token may have: a shorter one can be guessed.
    package static let minimumLength = 16

    private let bytes: [UInt8]

    /// Nil if `text` is too short or has a byte that is not visible ASCII, which a header could not carry.
    package init?(_ text: String) {
        bytes = Array(text.utf8)
        guard bytes.count >= DeleteToken.minimumLength, bytes.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            return nil
        }
    }

    /// Takes the same time for every text of the token's length, so that it cannot be guessed byte by byte.
    func matches(_ text: String) -> Bool {
        let other = Array(text.utf8)
        return other.count == bytes.count && CRYPTO_memcmp(other, bytes, bytes.count) == 0
    }
}
