import CJOSE
package import UploadModel

/// Makes tokens for trials and as examples. A site makes its own tokens.
package enum TokenSigner {
    /// A token that grants `permit`.
    ///
    /// - Parameters:
    ///   - audience: the server that it is for; nil: it names none.
    ///   - expires: when it expires, in Unix seconds.
    /// - Throws: `TokenKeyError.cannotSign` if the first key has no private part.
    package static func token(
        _ permit: Permit, audience: String? = nil, expires: UInt64, keys: TokenKeys
    ) throws(TokenKeyError) -> String {
        guard let claims = json_object() else { throw .cannotSign }
        defer { json_decref(claims) }
        func set(_ name: String, _ value: UnsafeMutablePointer<json_t>?) { json_object_set_new(claims, name, value) }
        set("exp", json_integer(json_int_t(clamping: expires)))
        if let audience { set("aud", json_string(audience)) }
        if !permit.owner.subject.isEmpty { set("sub", json_string(permit.owner.subject)) }
        if let directory = permit.owner.directory { set("dir", json_string(directory.text)) }
        if let size = permit.maximumFileSize { set("max_size", json_integer(json_int_t(clamping: size))) }
        if let types = permit.types { set("types", json_string(types.description)) }
        if let quota = permit.quota {
            set("jti", json_string(quota.tokenID))
            set("uploads", json_integer(json_int_t(quota.limit)))
        }
        if permit.mayRemove { set("delete", json_true()) }
        guard let text = json_dumps(claims, Int(JSON_COMPACT)) else { throw .cannotSign }
        defer { free(text) }
        return try keys.withSigningKey { key throws(TokenKeyError) in try sign(String(cString: text), key) }
    }

    private static func sign(_ claims: String, _ key: borrowing TokenKey) throws(TokenKeyError) -> String {
        guard let header = cjose_header_new(nil) else { throw .cannotSign }
        defer { cjose_header_release(header) }
        cjose_header_set(header, "alg", key.algorithm.rawValue, nil)
        cjose_header_set(header, "typ", "JWT", nil)
        if let id = key.id { cjose_header_set(header, "kid", id, nil) }
        let bytes = Array(claims.utf8)
        guard let jws = cjose_jws_sign(key.pointer, header, bytes, bytes.count, nil) else { throw .cannotSign }
        defer { cjose_jws_release(jws) }
        var text: UnsafePointer<CChar>?
        guard cjose_jws_export(jws, &text, nil), let text else { throw .cannotSign }
        return String(cString: text)
    }
}
