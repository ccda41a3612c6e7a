import ArgumentParser
import Events
import Glibc
import UploadService

/// A file that contains a secret. On the command line, every user of the machine could read it.
struct SecretFile: ExpressibleByArgument, Sendable {
    let path: String

    init?(argument: String) {
        if argument.isEmpty { return nil }
        path = argument
    }

    /// Reads a delete token.
    ///
    /// - Throws: `ValidationError` if the file has no valid token.
    func token() throws -> DeleteToken {
        let line = try contents().prefix { $0 > 0x20 }
        guard let token = DeleteToken(String(decoding: line, as: UTF8.self)) else {
            throw ValidationError(
                "\(path) needs a token of at least \(DeleteToken.minimumLength) visible characters on its first line.")
        }
        return token
    }

    /// Reads keys that sign events.
    ///
    /// - Throws: `ValidationError` if the file has anything but valid keys.
    func webhookKey() throws -> WebhookKey {
        let words = String(decoding: try contents(), as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard let key = WebhookKey(words.map(String.init)) else {
            throw ValidationError(
                """
                \(path) needs one to \(WebhookKey.maximumCount) keys on lines of their own: whsec_ and \
                \(WebhookKey.lengths.lowerBound) to \(WebhookKey.lengths.upperBound) random bytes in base64.
                """)
        }
        return key
    }

    /// Reads the start of the file. Secrets are short.
    private func contents() throws -> [UInt8] {
        guard let stream = fopen(path, "re") else {
            throw ValidationError("Cannot read \(path): \(String(cString: strerror(errno))).")
        }
        defer { fclose(stream) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = fread(&bytes, 1, bytes.count, stream)
        return Array(bytes.prefix(count))
    }
}
