import CCrypto

extension TokenKey {
    /// An elliptic-curve key in PEM (RFC 7468; its content: RFC 5480 and RFC 5915), public or private, without a
    /// password.
    ///
    /// - Throws: `TokenKeyError`.
    init(pem bytes: [UInt8]) throws(TokenKeyError) {
        func read(_ read: (OpaquePointer) -> OpaquePointer?) -> OpaquePointer? {
            guard let buffer = BIO_new_mem_buf(bytes, Int32(bytes.count)) else { return nil }
            defer { BIO_free(buffer) }
            return read(buffer)
        }
        let key =
            read { PEM_read_bio_PUBKEY($0, nil, noPassword, nil) }
            ?? read { PEM_read_bio_PrivateKey($0, nil, noPassword, nil) }
        guard let key else { throw .unsupported("this PEM file") }
        defer { EVP_PKEY_free(key) }
        guard EVP_PKEY_is_a(key, "EC") == 1, let x = key.number(named: "qx"), let y = key.number(named: "qy") else {
            throw .unsupported("this kind of key")
        }
        var curve = [CChar](repeating: 0, count: 64)
        EVP_PKEY_get_group_name(key, &curve, curve.count, nil)
        guard String(decoding: curve.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) == "prime256v1"
        else { throw .unsupported("a key on another curve") }
        try self.init(x: x, y: y, d: key.number(named: "priv"))
    }
}

extension OpaquePointer {
    /// A number of the key in 32 bytes, most significant first; nil if the key doesn't have it.
    fileprivate func number(named name: String) -> [UInt8]? {
        var number: OpaquePointer?
        guard EVP_PKEY_get_bn_param(self, name, &number) == 1, let number else { return nil }
        defer { BN_clear_free(number) }
        var bytes = [UInt8](repeating: 0, count: 32)
        return BN_bn2binpad(number, &bytes, 32) == 32 ? bytes : nil
    }
}

/// Returns an empty password, so that OpenSSL doesn't ask for one at the terminal.
private func noPassword(
    _: UnsafeMutablePointer<CChar>?, _: Int32, _: Int32, _: UnsafeMutableRawPointer?
) -> Int32 { 0 }
