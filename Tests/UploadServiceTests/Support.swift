import Glibc
import HTTP
import Linux
import Logging
import TestSupport
import Testing
import UploadModel
import UploadService
import UploadStore

/// A body that arrives in odd pieces, and may be cut short.
struct Pieces: RequestBody {
    private static let sizes = [1, 2, 3, 61, 5, 1021, 7, 4093, 65_521]

    private var rest: ArraySlice<UInt8>
    private let length: Int
    private let cutAt: Int?
    private var turn = 0

    /// - Parameters:
    ///   - cutAt: after how many bytes the client goes away; nil if it doesn't.
    init(_ bytes: [UInt8], cutAt: Int? = nil) {
        rest = bytes.prefix(cutAt ?? bytes.count)
        length = bytes.count
        self.cutAt = cutAt
    }

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BodyError) -> Int {
        if rest.isEmpty, let cutAt { throw .cutShort(received: UInt64(cutAt), announced: UInt64(length)) }
        let piece = rest.prefix(min(Pieces.sizes[turn % Pieces.sizes.count], buffer.count))
        turn += 1
        rest = rest.dropFirst(piece.count)
        buffer.copyBytes(from: piece)
        return piece.count
    }
}

extension TemporaryFolder {
    /// The names of finished files: those that don't start with a dot.
    var files: [String] { names().filter { !$0.hasPrefix(".") } }

    /// A file's bytes; nil if there is none.
    func bytes(of name: String) -> [UInt8]? { try? read(name) }
}

/// One part of a form.
struct FormPart {
    var name: String
    var filename: String?
    var bytes: [UInt8]

    static func field(_ name: String, _ value: String) -> FormPart {
        FormPart(name: name, filename: nil, bytes: Array(value.utf8))
    }

    static func file(_ bytes: [UInt8], name: String = "file") -> FormPart {
        FormPart(name: name, filename: "blob", bytes: bytes)
    }
}

let boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
let formType = "multipart/form-data; boundary=\(boundary)"

/// A form as a browser writes it (RFC 7578).
func form(_ parts: [FormPart]) -> [UInt8] {
    var body: [UInt8] = []
    for part in parts {
        body += Array("--\(boundary)\r\nContent-Disposition: form-data; name=\"\(part.name)\"".utf8)
        if let filename = part.filename {
            body += Array("; filename=\"\(filename)\"\r\nContent-Type: application/octet-stream".utf8)
        }
        body += Array("\r\n\r\n".utf8) + part.bytes + Array("\r\n".utf8)
    }
    return body + Array("--\(boundary)--\r\n".utf8)
}

/// A file and how a client cuts it, with the parameters of Resumable.js.
struct Sample {
    var name = "clip.mp4"
    var identifier = "id-clip"
    var bytes: [UInt8]
    var chunkSize = 1000

    /// A file of that many bytes, no two stretches of which are the same.
    init(size: Int, chunkSize: Int = 1000) {
        bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 167 ^ $0 >> 7 ^ $0 >> 13) }
        self.chunkSize = chunkSize
    }

    /// The default way of cutting: the last chunk takes the rest with it.
    var chunkCount: Int { max(bytes.count / chunkSize, 1) }

    func chunk(_ number: Int) -> [UInt8] {
        let start = (number - 1) * chunkSize
        return Array(bytes[start..<(number == chunkCount ? bytes.count : start + chunkSize)])
    }

    func parameters(_ number: Int) -> [(name: String, value: String)] {
        [
            ("resumableChunkNumber", "\(number)"), ("resumableChunkSize", "\(chunkSize)"),
            ("resumableTotalSize", "\(bytes.count)"), ("resumableIdentifier", identifier),
            ("resumableFilename", name),
        ]
    }

    func fields(_ number: Int) -> [FormPart] {
        parameters(number).map { .field($0.name, $0.value) }
    }

    func query(_ number: Int) -> String {
        parameters(number).map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    }

    /// The fields, then the file, as Resumable.js sends it.
    func form(_ number: Int) -> [UInt8] {
        UploadServiceTests.form(fields(number) + [.file(chunk(number))])
    }
}

/// An outcome and its status code (PROTOCOL.md, Status codes).
enum Expected: String {
    case stored, held, removed, missing, malformed, refused, unsupported, retry

    var status: Int {
        switch self {
        case .stored, .held, .removed: 200
        case .missing: 404
        case .malformed: 500
        case .refused: 415
        case .unsupported: 501
        case .retry: 503
        }
    }
}

/// A service on a real store. Every answer is checked against the rules that hold for all of them.
struct Site {
    static let route = "/resumable_upload"

    let service: UploadService
    let folder: TemporaryFolder

    init(_ settings: UploadSettings = UploadSettings()) throws {
        let folder = try TemporaryFolder()
        let root = try LinuxDirectory.root(folder.path)
        let store = try LocalStore(root: root, boot: .current, now: { UInt64(time(nil)) })
        self.init(store: store, folder: folder, settings)
    }

    init(store: any ChunkStore, folder: TemporaryFolder, _ settings: UploadSettings = UploadSettings()) {
        self.folder = folder
        var log = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        log.logLevel = .trace
        service = UploadService(store: store, settings: settings, log: log)
    }

    /// Sends a request and checks the rules that PROTOCOL.md (Status codes) has for every answer.
    func send(_ request: Request, _ body: Pieces = Pieces([]), _ location: SourceLocation = #_sourceLocation)
        -> Response
    {
        var body = body
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { buffer.deallocate() }
        let response = service.respond(to: request, body: &body, using: buffer)
        let line = String(decoding: response.body, as: UTF8.self)
        #expect([200, 204, 404, 415, 500, 501, 503].contains(response.status), sourceLocation: location)
        if response.header("Content-Type")?.hasPrefix("text/plain") == true {
            #expect(!line.isEmpty && line.utf8.count < 300 && !line.contains("\n"), sourceLocation: location)
        }
        let told = line + response.headers.map { $0.name + $0.value }.joined()
        for secret in [folder.path, LocalStore.stateFolder, ".journal", "/tmp", "errno", "No such", "Error", "0x"] {
            #expect(!told.contains(secret), "\(told)", sourceLocation: location)
        }
        if response.status == 503 {
            #expect(Int(response.header("Retry-After") ?? "") ?? 0 >= 1, sourceLocation: location)
        } else {
            #expect(response.header("Retry-After") == nil, sourceLocation: location)
        }
        return response
    }

    /// Sends a request and expects that outcome.
    @discardableResult
    func expect(
        _ outcome: Expected, _ request: Request, _ body: Pieces = Pieces([]),
        _ location: SourceLocation = #_sourceLocation
    ) -> Response {
        let response = send(request, body, location)
        let line = String(decoding: response.body, as: UTF8.self)
        #expect(response.header("X-Upload-Outcome") == outcome.rawValue, "\(line)", sourceLocation: location)
        #expect(response.status == outcome.status, sourceLocation: location)
        return response
    }

    /// Sends a form and expects that outcome.
    @discardableResult
    func post(
        _ outcome: Expected, _ body: [UInt8], query: String = "", cutAt: Int? = nil,
        _ location: SourceLocation = #_sourceLocation
    ) -> Response {
        let request = Request(
            method: .post, path: Site.route, query: query, contentType: formType, contentLength: UInt64(body.count))
        return expect(outcome, request, Pieces(body, cutAt: cutAt), location)
    }

    /// Asks for a chunk and expects that outcome.
    @discardableResult
    func test(
        _ outcome: Expected, _ query: String, accept: String? = nil, _ location: SourceLocation = #_sourceLocation
    ) -> Response {
        expect(outcome, Request(method: .get, path: Site.route, query: query, accept: accept), Pieces([]), location)
    }
}

/// A text as `encodeURIComponent` writes it (ECMA-262, section 19.2.6.4).
func percentEncoded(_ text: String) -> String {
    let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()".utf8)
    return text.utf8.map { plain.contains($0) ? String(UnicodeScalar($0)) : "%" + $0.hexDigits.uppercased() }.joined()
}

/// The body as text.
func text(_ response: Response) -> String {
    String(decoding: response.body, as: UTF8.self)
}

/// A number that many threads count up.
final class Counter: Sendable {
    private let count = Lock(0)
    func add() { count.withLock { $0 += 1 } }
    var value: Int { count.withLock { $0 } }
}
