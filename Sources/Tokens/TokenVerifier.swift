import CJOSE
import Glibc
import JSON
package import UploadModel

/// Verifies upload tokens: JSON Web Tokens (RFC 7519) that are signed with one of the site's keys. PROTOCOL.md, Upload
/// tokens, lists the claims.
///
/// A claim of the list with a value of the wrong kind makes the token invalid: ignoring it would lift a limit. Other
/// claims are ignored.
package struct TokenVerifier: Sendable {
    /// The longest token, in bytes.
    package static let maximumLength = 8192
    /// The latest time in a token, in Unix seconds: the end of the year 9999.
    private static let latest = 253_402_300_799.0

    private let keys: TokenKeys
    private let audience: String?
    private let leeway: Double

    /// - Parameters:
    ///   - audience: the name of this server in tokens; nil: it has none.
    ///   - leeway: by how many seconds the clock of the site that signs tokens may differ from this machine's.
    package init(keys: TokenKeys, audience: String? = nil, leeway: UInt64 = 30) {
        self.keys = keys
        self.audience = audience
        self.leeway = Double(leeway)
    }

    /// The permit that the token grants.
    ///
    /// - Parameters:
    ///   - token: a JSON Web Signature in compact form (RFC 7515, section 3.1).
    ///   - now: the time in Unix seconds.
    /// - Throws: `TokenError`.
    package func permit(_ token: String, now: UInt64) throws(TokenError) -> Permit {
        let claims = try verified(token)
        try checkTime(claims, now: Double(now))
        try checkAudience(claims["aud"])
        return try Permit(claims)
    }

    /// The claims, if the signature is right.
    private func verified(_ token: String) throws(TokenError) -> JSONValue {
        // Three parts of base64url with dots between them; cjose accepts more.
        let parts = token.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard token.utf8.count <= TokenVerifier.maximumLength, parts.count == 3,
            parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(TokenVerifier.isBase64URL) })
        else { throw .malformed }
        var text = token
        guard
            let jws = text.withUTF8({ text in
                cjose_jws_import(
                    UnsafeRawPointer(text.baseAddress)?.assumingMemoryBound(to: CChar.self), text.count, nil)
            })
        else { throw .malformed }
        defer { cjose_jws_release(jws) }
        guard let header = cjose_jws_get_protected(jws),
            let algorithm = cjose_header_get(header, "alg", nil).map({ String(cString: $0) })
        else { throw .malformed }
        // RFC 7515, section 4.1.11: a critical extension that is not understood makes the token invalid.
        // Also one that is null: cjose takes that for none.
        guard let members = TokenVerifier.header(parts[0]) else { throw .malformed }
        guard members["crit"] == nil else { throw .unsupported }
        guard TokenKey.Algorithm(rawValue: algorithm) != nil else { throw .unsupported }
        let id = cjose_header_get(header, "kid", nil).map { String(cString: $0) }
        let isRight = keys.first(id: id, algorithm: algorithm) { key in cjose_jws_verify(jws, key.pointer, nil) }
        guard let isRight else { throw .unknownKey }
        guard isRight else { throw .wrongSignature }
        var payload: UnsafeMutablePointer<UInt8>?
        var count = 0
        guard cjose_jws_get_plaintext(jws, &payload, &count, nil),
            let claims = JSONValue(object: UnsafeRawBufferPointer(start: payload, count: count))
        else { throw .malformed }
        return claims
    }

    /// The members of a token's header.
    private static func header(_ part: Substring.UTF8View) -> JSONValue? {
        let text = part.map { CChar(bitPattern: $0) }
        var bytes: UnsafeMutablePointer<UInt8>?
        var count = 0
        guard cjose_base64url_decode(text, text.count, &bytes, &count, nil), let bytes else { return nil }
        defer { free(bytes) }
        return JSONValue(object: UnsafeRawBufferPointer(start: bytes, count: count))
    }

    private static func isBase64URL(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private func checkTime(_ claims: JSONValue, now: Double) throws(TokenError) {
        func time(_ name: String) throws(TokenError) -> Double? {
            guard let value = claims[name] else { return nil }
            guard let time = value.number, (0...TokenVerifier.latest).contains(time) else { throw .invalidClaim(name) }
            return time
        }
        guard let expires = try time("exp") else { throw .missingClaim("exp") }
        guard now < expires + leeway else { throw .expired(seconds: Int64(now - expires)) }
        if let begins = try time("nbf"), now + leeway < begins { throw .notYetValid(seconds: Int64(begins - now)) }
    }

    /// RFC 7519, section 4.1.3: a token with an audience is valid for that audience only.
    private func checkAudience(_ claim: JSONValue?) throws(TokenError) {
        guard let claim else {
            if audience != nil { throw .wrongAudience }
            return
        }
        let names = claim.elements.map { $0.map(\.string) } ?? [claim.string]
        guard let audience, names.contains(audience) else { throw .wrongAudience }
    }
}
