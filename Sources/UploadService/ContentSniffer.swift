import CMagic
import Linux

/// Tells from its first bytes what a file is, by libmagic's database of signatures.
package final class ContentSniffer: Sendable {
    /// How many bytes it wants to see: enough for nearly all signatures, and little to keep.
    static let wanted = 4096

    /// What it found.
    struct Finding: Equatable {
        /// A media type; `application/octet-stream` where the bytes say nothing.
        var media: String
        /// The endings that such files have; empty where the database names none.
        var endings: [String]
    }

    /// libmagic's handle. It is for one thread at a time, and large; as only a file's first chunk is looked at, one is
    /// enough.
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

    /// What the bytes are. Where libmagic fails they are nothing that is known.
    func look(at bytes: [UInt8]) -> Finding {
        cookie.withLock { cookie in
            let media = answer(bytes, MAGIC_MIME_TYPE, cookie)
            let endings = answer(bytes, MAGIC_EXTENSION, cookie) ?? ContentSniffer.noEndings
            return Finding(
                media: media ?? "application/octet-stream",
                endings: endings == ContentSniffer.noEndings ? [] : endings.split(separator: "/").map(String.init))
        }
    }

    /// The database's word for a kind without known endings.
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
