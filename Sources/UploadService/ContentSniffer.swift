import CMagic
import Linux

/// Finds the type of a file by its first bytes, with libmagic's database of signatures.
package final class ContentSniffer: Sendable {
    /// How many of a file's first bytes are looked at: enough for nearly all signatures, and little to keep in memory.
    static let wanted = 4096

    /// The type of a file.
    struct Finding: Equatable {
        /// The media type; `application/octet-stream` if no signature matches.
        var media: String
        /// The file name extensions of this type, without dots; empty if the database names none.
        var endings: [String]
    }

    /// libmagic's handle. It serves one thread at a time and is large. One is enough, because only a file's first chunk
    /// is looked at.
    private final class Cookie: @unchecked Sendable {
        let pointer: OpaquePointer

        init(_ pointer: OpaquePointer) { self.pointer = pointer }
        deinit { magic_close(pointer) }
    }

    private let cookie: Lock<Cookie>

    /// - Throws: `SnifferError` if the database can't be loaded.
    package init() throws(SnifferError) {
        guard let pointer = magic_open(MAGIC_MIME_TYPE | MAGIC_ERROR) else { throw SnifferError(cause: "no memory") }
        let cookie = Cookie(pointer)
        guard magic_load(pointer, nil) == 0 else {
            throw SnifferError(cause: magic_error(pointer).map { String(cString: $0) } ?? "unknown")
        }
        self.cookie = Lock(cookie)
    }

    /// The type of the bytes. If libmagic fails, it is unknown.
    func look(at bytes: [UInt8]) -> Finding {
        cookie.withLock { cookie in
            let media = answer(bytes, MAGIC_MIME_TYPE, cookie)
            let endings = answer(bytes, MAGIC_EXTENSION, cookie) ?? ContentSniffer.noEndings
            return Finding(
                media: media ?? "application/octet-stream",
                endings: endings == ContentSniffer.noEndings ? [] : endings.split(separator: "/").map(String.init))
        }
    }

    /// libmagic's answer for a type without known extensions.
    private static let noEndings = "???"

    private func answer(_ bytes: [UInt8], _ kind: Int32, _ cookie: Cookie) -> String? {
        magic_setflags(cookie.pointer, kind | MAGIC_ERROR)
        return magic_buffer(cookie.pointer, bytes, bytes.count).map { String(cString: $0) }
    }
}

/// Why libmagic can't be used.
package struct SnifferError: Error, CustomStringConvertible {
    let cause: String

    package var description: String { "cannot load libmagic's database: \(cause)" }
}
