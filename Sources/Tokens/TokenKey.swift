import CJOSE
import JSON

/// A key and the one algorithm that it is used with. The algorithm in a token's header must be the same; it never
/// decides.
struct TokenKey: ~Copyable, Sendable {
    /// A signature algorithm (RFC 7518, section 3.1).
    enum Algorithm: String, Sendable {
        /// HMAC with SHA-256 and a shared secret.
        case hs256 = "HS256"
        /// ECDSA on the curve P-256 with SHA-256 and a key pair.
        case es256 = "ES256"
    }

    /// The shortest secret, in bytes (RFC 7518, section 3.2: at least the size of the hash).
    static let minimumSecret = 32

    let algorithm: Algorithm
    /// The key's name (RFC 7515, section 4.1.4); nil if it has none.
    let id: String?
    /// Threads may share it: verifying and signing only read it.
    nonisolated(unsafe) let pointer: OpaquePointer

    /// Takes over a key of cjose.
    ///
    /// - Parameter stated: the key's own algorithm (`alg`); nil if it states none.
    /// - Throws: `TokenKeyError` if keys of this kind are not supported.
    private init(owning pointer: OpaquePointer, stated: String?) throws(TokenKeyError) {
        var algorithm: Algorithm?
        var problem = TokenKeyError.unsupported("this kind of key")
        switch cjose_jwk_get_kty(pointer, nil) {
        case CJOSE_JWK_KTY_OCT:
            // In bits.
            if cjose_jwk_get_keysize(pointer, nil) >= TokenKey.minimumSecret * 8 {
                algorithm = .hs256
            } else {
                problem = .secretTooShort(minimum: TokenKey.minimumSecret)
            }
        case CJOSE_JWK_KTY_EC where cjose_jwk_EC_get_curve(pointer, nil) == CJOSE_JWK_EC_P_256:
            algorithm = .es256
        default:
            break
        }
        if let stated, let found = algorithm, stated != found.rawValue {
            algorithm = nil
            problem = .unsupported("a key for \(stated)")
        }
        guard let algorithm else {
            cjose_jwk_release(pointer)
            throw problem
        }
        self.algorithm = algorithm
        self.pointer = pointer
        id = cjose_jwk_get_kid(pointer, nil).map { String(cString: $0) }
    }

    deinit { cjose_jwk_release(pointer) }

    /// A shared secret.
    init(secret: [UInt8]) throws(TokenKeyError) {
        guard secret.count >= TokenKey.minimumSecret else {
            throw .secretTooShort(minimum: TokenKey.minimumSecret)
        }
        guard let pointer = cjose_jwk_create_oct_spec(secret, secret.count, nil) else { throw .noKeys }
        try self.init(owning: pointer, stated: nil)
    }

    /// A key on P-256: the coordinates of its point and, to sign, its private number, each in 32 bytes.
    init(x: [UInt8], y: [UInt8], d: [UInt8]?) throws(TokenKeyError) {
        var x = x
        var y = y
        var d = d ?? []
        let pointer = x.withUnsafeMutableBufferPointer { x in
            y.withUnsafeMutableBufferPointer { y in
                d.withUnsafeMutableBufferPointer { d in
                    var specification = cjose_jwk_ec_keyspec(
                        crv: CJOSE_JWK_EC_P_256, d: d.isEmpty ? nil : d.baseAddress, dlen: d.count, x: x.baseAddress,
                        xlen: x.count, y: y.baseAddress, ylen: y.count)
                    return cjose_jwk_create_EC_spec(&specification, nil)
                }
            }
        }
        guard let pointer else { throw .unsupported("this kind of key") }
        try self.init(owning: pointer, stated: nil)
    }

    /// A JSON Web Key (RFC 7517).
    ///
    /// - Parameter purpose: what the key is needed for.
    init(_ key: JSONValue, for purpose: TokenKeys.Purpose) throws(TokenKeyError) {
        if let use = key["use"], use.string != "sig" {
            throw .unsupported("a key for `\(use.string ?? "something else than sig")`")
        }
        // RFC 7517, section 4.3. Each algorithm verifies and signs, so a key is for both or for one of them.
        if let list = key["key_ops"] {
            let operations = list.elements.map { $0.map(\.string) } ?? []
            guard operations.contains(purpose.rawValue) else {
                throw .unsupported("a key whose key_ops lack `\(purpose.rawValue)`")
            }
        }
        guard let pointer = cjose_jwk_import_json(UnsafeMutablePointer<json_t>(key.pointer), nil) else {
            throw .unsupported("this kind of key")
        }
        try self.init(owning: pointer, stated: key["alg"]?.string)
    }
}
