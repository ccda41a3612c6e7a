import HTTP
import Linux
import UploadStore

/// Every answer of the upload service (PROTOCOL.md, Status codes), and the one table from outcomes to status codes. 200
/// means "done"; 415, 500 and 501 mean "give this file up"; 404 on a test and 503 mean "send this chunk".
enum Outcome {
    /// The chunk that was sent is held.
    case stored(Receipt)
    /// The chunk that is tested is held.
    case held(Receipt)
    /// The upload was removed.
    case removed(Removal)
    /// The chunk that is tested is not held. `quietly`: with 204, for clients that would give the file up on 404.
    case missing(quietly: Bool)
    /// The request breaks the rules; the text says which.
    case malformed(String)
    /// The file will never be accepted; the text says why.
    case refused(String, because: Refusal = .other)
    /// The route doesn't support this method or content type.
    case unsupported(String)
    /// It may work in so many seconds; the text says what to wait for.
    case retry(String, after: Int)
    /// The answer to OPTIONS: the methods that the route supports.
    case allowed(methods: String)

    /// The outcome's name, its status code and its line for people.
    var row: (name: OutcomeName, status: Int, line: String) {
        switch self {
        case .stored: (.stored, 200, "OK")
        case .held: (.held, 200, "OK")
        case .removed: (.removed, 200, "OK")
        case .missing(quietly: true): (.missing, 204, "")
        case .missing(quietly: false): (.missing, 404, "Not found")
        case .malformed(let line): (.malformed, 500, line)
        case .refused(let line, _): (.refused, 415, line)
        case .unsupported(let line): (.unsupported, 501, line)
        case .retry(let line, _): (.retry, 503, line)
        case .allowed: (.allowed, 204, "")
        }
    }

    /// The response, with the line as its body.
    var response: Response {
        let row = row
        var response = Response(status: row.status, headers: [.init("X-Upload-Outcome", row.name.rawValue)])
        switch self {
        case .stored(let receipt):
            if case .completed(let path) = receipt.effect {
                response.headers.append(.init("X-Upload-Path", percentEncoded(path, keepsSlashes: true)))
            }
        case .allowed(let methods):
            response.headers.append(.init("Allow", methods))
            return response
        case .missing(quietly: true):
            return response
        case .retry(_, let seconds):
            response.headers.append(.init("Retry-After", "\(seconds)"))
        default:
            break
        }
        return response.with(Array(row.line.utf8), type: "text/plain; charset=utf-8")
    }
}

/// The name of an outcome, in the header `X-Upload-Outcome`, in logs and in metrics.
package enum OutcomeName: String, Sendable, CaseIterable {
    case stored, held, removed, missing, malformed, refused, unsupported, retry, allowed
    /// A page of the program's own, such as `/metrics`: not about an upload.
    case served
}

/// Why a file will never be accepted.
package enum Refusal: String, Sendable, CaseIterable {
    /// It is larger than the server accepts.
    case size
    /// The disk is smaller than the file.
    case noRoom = "no_room"
    /// Another file has its name, and is not to be replaced.
    case nameTaken = "name_taken"
    /// Its path leads into the store's own folder.
    case nameReserved = "name_reserved"
    /// Its type is not accepted: the declared one, or that of its first bytes.
    case type
    /// The page that sends it is of an origin that is not allowed.
    case origin
    /// The client has no token that permits it.
    case token
    /// It is complete, so the upload cannot be removed.
    case finished
    /// The receiver of `--on-begin-url` refused it.
    case notAdmitted = "not_admitted"
    /// A failed sync lost the bytes that were held of it.
    case lost
    /// Its body is compressed.
    case encoding
    /// Its chunks are too small, or were sent with other bytes too often.
    case tooManyParts = "too_many_parts"
    /// Anything else.
    case other
}

extension Response {
    /// The same answer with another body.
    func with(_ body: [UInt8], type: String) -> Response {
        var copy = self
        copy.headers.append(.init("Content-Type", type))
        copy.body = body
        return copy
    }
}
