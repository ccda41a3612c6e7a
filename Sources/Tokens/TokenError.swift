/// Why a token is not accepted. It contains nothing of the token itself, because it is logged.
package enum TokenError: Error, Equatable, CustomStringConvertible {
    /// It is not a JSON Web Signature in compact form (RFC 7515, section 7.1), or is too long.
    case malformed
    /// Its header names an unknown algorithm or an extension (`crit`).
    case unsupported
    /// There is no key for it, or the key belongs to another algorithm than the one in its header.
    case unknownKey
    /// It was signed with another key, or changed afterwards.
    case wrongSignature
    /// It expired (`exp`) so many seconds ago.
    case expired(seconds: Int64)
    /// It becomes valid (`nbf`) in so many seconds.
    case notYetValid(seconds: Int64)
    /// It is for another server (`aud`).
    case wrongAudience
    /// A required claim is missing.
    case missingClaim(String)
    /// A claim has an invalid value.
    case invalidClaim(String)

    package var description: String {
        switch self {
        case .malformed: "the token is malformed"
        case .unsupported: "the token's algorithm or extension is not supported"
        case .unknownKey: "there is no key for the token and its algorithm"
        case .wrongSignature: "the token's signature is wrong"
        case .expired(let seconds): "the token expired \(seconds) s ago"
        case .notYetValid(let seconds): "the token is not valid for another \(seconds) s"
        case .wrongAudience: "the token is for another audience"
        case .missingClaim(let name): "the token has no claim \(name)"
        case .invalidClaim(let name): "the token's claim \(name) is invalid"
        }
    }
}

/// Why a file with keys cannot be used.
package enum TokenKeyError: Error, Equatable, CustomStringConvertible {
    /// The file cannot be read.
    case unreadable(path: String, cause: String)
    /// It contains no key.
    case noKeys
    /// A secret has fewer bytes than HS256 needs (RFC 7518, section 3.2).
    case secretTooShort(minimum: Int)
    /// A key is of an unsupported kind.
    case unsupported(String)
    /// The key has no private part, so it can verify but not sign.
    case cannotSign

    package var description: String {
        switch self {
        case .unreadable(let path, let cause): "cannot read \(path): \(cause)"
        case .noKeys: "there is no key: a secret, a PEM key, a JWK or a JWK set is needed"
        case .secretTooShort(let minimum): "the secret must have at least \(minimum) bytes"
        case .unsupported(let what): "\(what) is not supported; HS256 needs a secret, ES256 a key on the curve P-256"
        case .cannotSign: "this key can only verify; to sign, a secret or a private key is needed"
        }
    }
}
