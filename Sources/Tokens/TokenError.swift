/// Why a token is not accepted. Nothing of the token itself is in here: these go to logs.
package enum TokenError: Error, Equatable, CustomStringConvertible {
    /// It is no JSON Web Signature in compact form (RFC 7515, section 7.1), or longer than a token may be.
    case malformed
    /// Its header asks for something that isn't understood here: an algorithm, or an extension (`crit`).
    case unsupported
    /// There is no key for it, or the key belongs to another algorithm than its header says.
    case unknownKey
    /// It was signed with another key, or changed since.
    case wrongSignature
    /// Its time is over (`exp`), so many seconds ago.
    case expired(seconds: Int64)
    /// Its time has not come yet (`nbf`), for so many seconds.
    case notYetValid(seconds: Int64)
    /// It is for somebody else (`aud`).
    case wrongAudience
    /// A claim that has to be there is missing.
    case missingClaim(String)
    /// A claim says something that it can't.
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

/// Why a file with keys can't be used.
package enum TokenKeyError: Error, Equatable, CustomStringConvertible {
    /// The file can't be read.
    case unreadable(path: String, cause: String)
    /// There is nothing in it that could be a key.
    case noKeys
    /// A secret has fewer bytes than HS256 needs (RFC 7518, section 3.2).
    case secretTooShort(minimum: Int)
    /// A key is of a kind that isn't used here.
    case unsupported(String)
    /// The key can verify, but not sign: its private part is not there.
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
