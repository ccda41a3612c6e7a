import Glibc
import Linux

/// The bytes of a file that has at most 256 KiB.
func readFile(_ path: String) throws(CredentialsError) -> [UInt8] {
    guard let stream = fopen(path, "re") else { throw .unreadable(file: path, reason: errorText(errno)) }
    defer { fclose(stream) }
    let limit = 256 << 10
    var bytes = [UInt8](repeating: 0, count: limit + 1)
    let count = fread(&bytes, 1, bytes.count, stream)
    guard ferror(stream) == 0 else { throw .unreadable(file: path, reason: errorText(errno)) }
    guard count <= limit else { throw .unreadable(file: path, reason: "it has more than \(limit) bytes") }
    return Array(bytes.prefix(count))
}

/// The token in a file, without the white space around it. Such a file is replaced from time to time, so it is read for
/// each use.
func readToken(_ path: String) throws(CredentialsError) -> Secret {
    let token = String(decoding: try readFile(path), as: UTF8.self).trimmed
    guard !token.isEmpty else { throw .unreadable(file: path, reason: "it is empty") }
    guard isPlain(token) else { throw .unreadable(file: path, reason: "it is not a token in one line") }
    return Secret(String(token))
}

/// True if a text can be a header's value and has no white space.
func isPlain(_ text: some StringProtocol) -> Bool { text.utf8.allSatisfy { (0x21...0x7e).contains($0) } }

extension StringProtocol where SubSequence == Substring {
    /// Without the white space at both ends.
    var trimmed: Substring {
        let start = drop(while: \.isWhitespace)
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return start[...last]
    }
}
