import ArgumentParser
import Glibc
import UploadService

/// A file with a secret on its first line: on the command line everybody could read it.
struct SecretFile: ExpressibleByArgument, Sendable {
    let path: String

    init?(argument: String) {
        if argument.isEmpty { return nil }
        path = argument
    }

    /// - Throws: `ValidationError` if there is no token in the file.
    func token() throws -> DeleteToken {
        guard let stream = fopen(path, "re") else {
            throw ValidationError("Cannot read \(path): \(String(cString: strerror(errno))).")
        }
        defer { fclose(stream) }
        var line = [CChar](repeating: 0, count: 4096)
        guard fgets(&line, Int32(line.count), stream) != nil,
            let token = DeleteToken(String(decoding: line.prefix { $0 > 0x20 }.map(UInt8.init), as: UTF8.self))
        else {
            throw ValidationError(
                "\(path) needs a token of at least \(DeleteToken.minimumLength) visible characters on its first line.")
        }
        return token
    }
}
