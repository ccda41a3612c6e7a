import Linux

/// Why a call failed. Only `unreachable` may pass by itself; calls that failed so have been repeated.
package enum S3Error: Error, Equatable {
    /// There was no answer in time, or the engine answered that it has trouble or too much to do.
    case unreachable(S3Cause)
    /// The engine does not let these credentials do it, or there is no such bucket.
    case denied(S3Cause)
    /// There is no such object.
    case noSuchKey(S3Cause)
    /// There is no such multipart upload.
    case noSuchUpload(S3Cause)
    /// There is an object under this key, and the call must not replace it.
    case exists(S3Cause)
    /// The body had another checksum than was stated.
    case damaged(S3Cause)
    /// A multipart upload has no such part, or one with another ETag.
    case invalidPart(S3Cause)
    /// The engine does not accept the request.
    case refused(S3Cause)
    /// The body cannot be read.
    case payload(PayloadError)
}

/// The call that failed, and the answer of the engine. It has no credentials and no signatures.
package struct S3Cause: Sendable, Equatable, CustomStringConvertible {
    /// The name of the call in S3's documentation, such as `PutObject`.
    package var operation: String
    /// The object's key or the listed prefix.
    package var key: String?
    /// The HTTP status; 0 if there was no answer.
    package var status = 0
    /// The engine's code, such as `SlowDown`. Empty if it had none.
    package var code = ""
    /// The engine's explanation, or libcurl's.
    package var message = ""
    /// The engine's name for the request, for its log.
    package var request: String?
    /// How often the call was tried.
    package var tries = 1

    /// One line for the log.
    package var description: String {
        var text = operation
        if let key { text += " \(key)" }
        text += ":"
        if status != 0 { text += " \(status)" }
        for part in [code, message] where !part.isEmpty { text += " \(part)" }
        if let request { text += " (request \(request))" }
        if tries > 1 { text += ", tried \(tries) times" }
        return text
    }
}

extension S3Error: CustomStringConvertible {
    /// Nil if the engine had no part in it.
    package var cause: S3Cause? {
        switch self {
        case .unreachable(let cause), .denied(let cause), .noSuchKey(let cause), .noSuchUpload(let cause),
            .exists(let cause), .damaged(let cause), .invalidPart(let cause), .refused(let cause):
            cause
        case .payload: nil
        }
    }

    package var description: String {
        switch self {
        case .payload(let error): "cannot read the body: \(error.reason)"
        default: cause?.description ?? ""
        }
    }

    /// True if the same call may succeed a moment later.
    var mayPass: Bool { if case .unreachable = self { true } else { false } }

    /// The same error after more than one try.
    func after(tries: Int) -> S3Error {
        switch self {
        case .unreachable(var cause):
            cause.tries = tries
            return .unreachable(cause)
        default: return self
        }
    }

    /// The codes with which engines refuse credentials as such, among them those that have ended or were replaced.
    static let credentialCodes: Set = [
        "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidToken",
        "SignatureDoesNotMatch", "TokenRefreshRequired", "UnrecognizedClientException",
    ]

    /// True if the same call may succeed with other credentials. The answer to a HEAD has no code, so the status has to
    /// do.
    func refusesCredentials(of method: String) -> Bool {
        guard let cause else { return false }
        if S3Error.credentialCodes.contains(cause.code) { return true }
        return method == "HEAD" && cause.code.isEmpty && [400, 401, 403].contains(cause.status)
    }

    /// Makes an error of an answer with an error status, or with an error in the body.
    ///
    /// The code counts for more than the status: S3 uses 400, 403 and 404 for several things, and it may report trouble
    /// in the body of a 200 (CompleteMultipartUpload). The answer to a HEAD has no body and thus no code.
    init(_ cause: S3Cause) {
        switch (cause.code, cause.status) {
        case ("NoSuchUpload", _): self = .noSuchUpload(cause)
        case ("NoSuchBucket", _): self = .denied(cause)
        case ("InvalidPart", _), ("InvalidPartOrder", _): self = .invalidPart(cause)
        case ("BadDigest", _), ("InvalidDigest", _), ("XAmzContentSHA256Mismatch", _),
            ("XAmzContentChecksumMismatch", _):
            self = .damaged(cause)
        case (let code, _) where S3Error.credentialCodes.contains(code): self = .denied(cause)
        case ("AuthorizationHeaderMalformed", _), ("RequestTimeTooSkewed", _): self = .denied(cause)
        case ("RequestTimeout", _), ("InternalError", _), ("SlowDown", _), ("ServiceUnavailable", _):
            self = .unreachable(cause)
        case (_, 401), (_, 403): self = .denied(cause)
        // The bucket is in another region, or behind another address.
        case (_, 300..<400): self = .denied(cause)
        case (_, 404): self = .noSuchKey(cause)
        case (_, 412): self = .exists(cause)
        // Another conditional request for the key is under way (409), or the engine limits its clients (429).
        case (_, 408), (_, 409), (_, 429), (_, 500), (_, 502), (_, 503), (_, 504): self = .unreachable(cause)
        default: self = .refused(cause)
        }
    }
}
