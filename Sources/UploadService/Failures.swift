import HTTP
import Multipart
import UploadModel
import UploadStore

// What each failure means for the client. The texts are for the person who uploads, and tell nothing of the inside.

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
        self = .retry("The chunk was cut short on its way; please send it again", after: 1)
    }

    init(_ error: StoreError) {
        self =
            switch error {
            case .tooShort(let received, let lengths):
                .retry("The chunk was cut short: \(received) of \(lengths[0]) bytes came", after: 1)
            case .wrongLength(_, let lengths):
                .malformed("The chunk must have \(lengths.map(String.init).joined(separator: " or ")) bytes")
            case .sizeDiffers(let known):
                .malformed("This upload was begun with a size of \(known) bytes")
            case .tooLarge(let limit):
                Outcome(ParameterError.fileTooLarge(limit: limit))
            case .neverFits:
                .refused("The file is larger than the server has room for", because: .noRoom)
            case .nameTaken:
                .refused("There is another file of this name already", because: .nameTaken)
            case .quotaUsedUp(let limit):
                .refused(
                    "The upload token is good for \(limit == 1 ? "one file" : "\(limit) files"), and no more",
                    because: .token)
            case .nameReserved:
                .refused("This path is used by the server itself", because: .nameReserved)
            case .finished:
                .refused("The file is complete already", because: .finished)
            case .notAdmitted(let reason):
                .refused(reason, because: .notAdmitted)
            case .undecided:
                .retry("The server cannot say at the moment whether it takes this file", after: 5)
            case .postponed(let reason, let seconds):
                .retry(reason, after: seconds)
            case .busy:
                .retry("The same part of the file is being sent by another request", after: 1)
            case .full:
                .retry("The server has no space left", after: 30)
            case .failed, .noMemory:
                .retry("The server cannot write at the moment", after: 10)
            case .untrusted:
                // "Again" for this chunk alone would be a lie: all of the file is needed once more.
                .refused("The server could not save the file; please upload it again", because: .lost)
            }
    }
}

/// Anything that ends a request early, as the outcome it leads to.
struct RequestFailure: Error {
    let outcome: Outcome
    /// What went wrong in the server, for the log.
    let cause: String?
    /// What was wrong with the store, if anything was.
    let fault: StoreFault?
    /// Why the client's request was not good enough, where that is not for the client to know.
    let note: String?

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
}

/// Runs a step of a request, and turns its failure into the outcome.
func step<Result, Failure: Error>(
    _ outcome: (Failure) -> RequestFailure, _ work: () throws(Failure) -> Result
) throws(RequestFailure) -> Result {
    do { return try work() } catch { throw outcome(error) }
}
