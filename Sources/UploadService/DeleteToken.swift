import CCrypto
import HTTP
import UploadModel

/// The secret that lets a client give an upload up (contract, "Requests": DELETE only where it is switched on, and with a
/// token).
public struct DeleteToken: Sendable {
    /// How many bytes a token must have at least: fewer can be guessed.
    public static let minimumLength = 16

    private let bytes: [UInt8]

    /// Nil if `text` is too short, or has something else than visible ASCII: then it could not travel in a header.
    public init?(_ text: String) {
        bytes = Array(text.utf8)
        guard bytes.count >= DeleteToken.minimumLength, bytes.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            return nil
        }
    }

    /// True if the request carries it: as the parameter of the seed, or as `Authorization: Bearer` (RFC 6750).
    func isCarried(by request: Request, _ parameters: Parameters) -> Bool {
        let bearer = request.authorization.flatMap { value -> Substring? in
            let parts = value.split(separator: " ", maxSplits: 1)
            return parts.count == 2 && parts[0].lowercased() == "bearer" ? parts[1] : nil
        }
        return matches(bearer ?? "") || matches(parameters[Dialect(of: parameters).token].map { $0[...] } ?? "")
    }

    /// In the same time for every text of its length, so that nobody finds it letter by letter.
    private func matches(_ text: Substring) -> Bool {
        let other = Array(text.utf8)
        return other.count == bytes.count && CRYPTO_memcmp(other, bytes, bytes.count) == 0
    }
}
