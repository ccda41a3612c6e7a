import Glibc
import JSON
import Linux

/// The keys of a site, from one file: a secret on its first line, a PEM key (RFC 7468), a JSON Web Key, or a JWK set
/// (RFC 7517). A set may hold several keys, so that a site can replace one by another.
package struct TokenKeys: Sendable {
    private final class Key: Sendable {
        let key: TokenKey
        init(_ key: consuming TokenKey) { self.key = key }
    }

    /// The use of a key, as `key_ops` names it (RFC 7517, section 4.3).
    package enum Purpose: String, Sendable {
        case verifying = "verify"
        case signing = "sign"
    }

    /// The largest file with keys, in bytes.
    private static let maximumFile = 64 << 10

    private let keys: [Key]

    /// Reads a file.
    ///
    /// - Throws: `TokenKeyError`, also if one key of several cannot be used.
    package init(path: String, for purpose: Purpose = .verifying) throws(TokenKeyError) {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw .unreadable(path: path, cause: errorText(errno)) }
        let file = Descriptor(number)
        var bytes = [UInt8](repeating: 0, count: TokenKeys.maximumFile + 1)
        var count = 0
        while count < bytes.count {
            let read = bytes.withUnsafeMutableBytes {
                Glibc.read(file.number, $0.baseAddress?.advanced(by: count), $0.count - count)
            }
            guard read >= 0 else { throw .unreadable(path: path, cause: errorText(errno)) }
            if read == 0 { break }
            count += read
        }
        guard count <= TokenKeys.maximumFile else { throw .unreadable(path: path, cause: "it is too large for keys") }
        try self.init(Array(bytes[..<count]), for: purpose)
    }

    /// Reads the content of such a file.
    ///
    /// - Throws: `TokenKeyError`.
    package init(_ bytes: [UInt8], for purpose: Purpose = .verifying) throws(TokenKeyError) {
        let text = bytes.drop { $0 <= 0x20 }
        if text.starts(with: "{".utf8) {
            guard let json = bytes.withUnsafeBytes({ JSONValue(object: $0) }) else { throw .noKeys }
            var keys: [Key] = []
            for key in json["keys"].map({ $0.elements ?? [] }) ?? [json] {
                keys.append(Key(try TokenKey(key, for: purpose)))
            }
            guard !keys.isEmpty else { throw .noKeys }
            self.keys = keys
        } else if text.starts(with: "-----BEGIN ".utf8) {
            keys = [Key(try TokenKey(pem: bytes))]
        } else {
            let line = text.prefix { $0 != 0x0a && $0 != 0x0d }
            guard !line.isEmpty else { throw .noKeys }
            keys = [Key(try TokenKey(secret: Array(line)))]
        }
    }

    /// Calls `body` with each key that a token may be signed with, until it returns true.
    ///
    /// - Parameters:
    ///   - id: the key's name in the token's header; nil if there is none, then all keys are tried.
    ///   - algorithm: the algorithm in the token's header.
    /// - Returns: false if `body` was never true; nil if no key was tried.
    func first(id: String?, algorithm: String, where body: (borrowing TokenKey) -> Bool) -> Bool? {
        var asked = false
        for key in keys where key.key.algorithm.rawValue == algorithm {
            // A key without a name may have any name in a token.
            if let id, let own = key.key.id, own != id { continue }
            asked = true
            if body(key.key) { return true }
        }
        return asked ? false : nil
    }

    /// Calls `body` with the first key, which signs new tokens.
    func withSigningKey<Result, Failure: Error>(
        _ body: (borrowing TokenKey) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(keys[0].key)
    }
}
