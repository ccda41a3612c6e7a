import HTTP
import JSON
import Multipart
import UploadModel
import UploadStore

// The outcome of each failure. The texts are read by the person who uploads, and tell nothing internal.

extension Outcome {
    init(_ error: ParameterError) {
        self =
            switch error {
            case .fileTooLarge: .refused(error.description, because: .size)
            default: .malformed(error.description)
            }
    }

    init(_ error: QueryError) {
        self =
            switch error {
            case .tooManyParameters: .malformed("There are too many parameters")
            case .notUTF8: .malformed("The parameters are not valid UTF-8")
            }
    }

    init(_ error: MultipartError) {
        self = .malformed(error.message)
    }

    init(_: BodyError) {
        self = .retry("The chunk was cut short in transit; please send it again", after: 1)
    }

    init(_ error: StoreError) {
        self =
            switch error {
            case .tooShort(let received, let lengths):
                .retry("The chunk was cut short: \(received) of \(lengths[0]) bytes arrived", after: 1)
            case .wrongLength(_, let lengths):
                .malformed("The chunk must have \(lengths.map(String.init).joined(separator: " or ")) bytes")
            case .sizeDiffers(let known):
                .malformed("This upload was begun with a file of \(known) bytes; please upload the changed file anew")
            case .tooLarge(let limit):
                Outcome(ParameterError.fileTooLarge(limit: limit))
            case .neverFits:
                .refused("The file is larger than the server has room for", because: .noRoom)
            case .nameTaken:
                .refused("There is another file of this name already", because: .nameTaken)
            case .quotaUsedUp(let limit):
                .refused(
                    "This upload token is valid for \(limit == 1 ? "one file" : "\(limit) files") only",
                    because: .token)
            case .nameReserved:
                .refused("This path is used by the server itself", because: .nameReserved)
            case .finished:
                .refused("The file is complete and cannot be removed any more", because: .finished)
            case .notAdmitted(let reason):
                .refused(reason, because: .notAdmitted)
            case .undecided:
                .retry("The server cannot check at the moment whether it may take this file", after: 5)
            case .postponed(let reason, let seconds):
                .retry(reason, after: seconds)
            case .busy:
                .retry("The same part of the file is being sent by another request", after: 1)
            case .scattered:
                .retry("Too many separate parts of the file are here; those between them must come first", after: 5)
            case .tooManyRecords:
                .refused("The file was sent in too many parts; please upload it in larger ones", because: .tooManyParts)
            case .sizesMissing:
                .malformed("This server needs the size of the file and of its chunks")
            case .full:
                .retry("The server has no space left", after: 30)
            case .failed, .replaced, .noMemory:
                .retry("The server cannot write at the moment", after: 10)
            case .untrusted:
                // Sending this chunk again would not be enough: all of the file is needed.
                .refused("The server could not save the file; please upload it again", because: .lost)
            }
    }
}

/// A failure that ends a request early, with the outcome that it leads to.
struct RequestFailure: Error {
    let outcome: Outcome
    /// The fault of the server, for the log.
    let cause: String?
    /// The fault of the store, if there was one.
    let fault: StoreFault?
    /// The reason of a refusal that is logged but not told to the client.
    let note: String?
    /// The limits that apply to the client, if its test asks for JSON.
    private var limits: JSON?

    init(_ outcome: Outcome, cause: String? = nil, note: String? = nil) {
        self.outcome = outcome
        self.cause = cause
        fault = nil
        self.note = note
    }

    init(_ error: StoreError) {
        outcome = Outcome(error)
        fault = error.fault
        note = nil
        cause = error.cause?.description
    }

    /// The same failure. If it refuses the file, its response has the limits, which may be the reason.
    func telling(_ limits: JSON) -> RequestFailure {
        var copy = self
        copy.limits = limits
        return copy
    }

    var response: Response {
        guard let limits, case .refused(let line, _) = outcome else { return outcome.response }
        let body = JSON.object([("message", .string(line)), ("limits", limits)])
        let response = Response(
            status: outcome.row.status, headers: [.init("X-Upload-Outcome", outcome.row.name.rawValue)])
        return response.with(Array(body.description.utf8), type: "application/json")
    }
}

/// Runs a step of a request, and turns its error into a failure of the request.
func step<Result, Failure: Error>(
    _ outcome: (Failure) -> RequestFailure, _ work: () throws(Failure) -> Result
) throws(RequestFailure) -> Result {
    do { return try work() } catch { throw outcome(error) }
}
