import CCrypto

/// The secret that lets a client give an upload up (contract, "Requests": DELETE only where it is switched on, and with a
/// token).
package struct DeleteToken: Sendable {
    /// How many bytes a token must have at least: fewer can be guessed.
    package static let minimumLength = 16

    private let bytes: [UInt8]

    /// Nil if `text` is too short, or has something else than visible ASCII: then it could not travel in a header.
    package init?(_ text: String) {
        bytes = Array(text.utf8)
        guard bytes.count >= DeleteToken.minimumLength, bytes.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            return nil
        }
    }

    /// In the same time for every text of its length, so that nobody finds it letter by letter.
    func matches(_ text: String) -> Bool {
        let other = Array(text.utf8)
        return other.count == bytes.count && CRYPTO_memcmp(other, bytes, bytes.count) == 0
    }
}
