import Glibc
import Linux

/// A bucket of an engine that speaks S3, reached through one endpoint. Its calls block. They may be made from any
/// number of threads.
///
/// Every call may be repeated without harm, so a call that fails by trouble on the way or in the engine is tried four
/// times, in all for 40 seconds. The results and errors are values: a missing object is `S3Error.noSuchKey`.
///
/// The calls themselves are in `Bucket+Objects.swift`, `Bucket+Listing.swift` and `Bucket+Multipart.swift`.
package final class Bucket: Sendable {
    package let name: String
    package let endpoint: Endpoint
    private let style: Endpoint.Style
    private let signer: Signer
    private let keeper: CredentialKeeper
    private let certificates: String?
    private let limits: TimeLimits
    private let pool = ConnectionPool()

    /// - Parameters:
    ///   - style: nil: what is usual at this endpoint.
    ///   - certificates: the path of a file with the certificate authorities to trust; nil: the system's.
    package init(
        _ name: String, at endpoint: Endpoint, style: Endpoint.Style? = nil, region: String,
        credentials: CredentialKeeper,
        certificates: String? = nil, limits: TimeLimits = TimeLimits()
    ) {
        self.name = name
        self.endpoint = endpoint
        self.style = style ?? endpoint.usualStyle(for: name)
        self.signer = Signer(region: region)
        self.keeper = credentials
        self.certificates = certificates
        self.limits = limits
    }

    /// A call, before it is signed.
    struct Call {
        /// The name in S3's documentation.
        let operation: String
        let method: String
        /// Nil for a call about the bucket.
        var key: String?
        var query: [(name: String, value: String)] = []
        var headers: [Header] = []
        var payload: (any Payload)?
        /// The SHA-256 of the payload in hexadecimal, or `Signer.unsignedPayload`.
        var hash = Call.emptyHash
        var sink: ((UInt64, UnsafeRawBufferPointer) -> Bool)?
        var bodyLimit = 4 << 20
        /// The key or prefix that errors name.
        var subject: String?

        /// Of no bytes.
        static let emptyHash = sha256([]).hexDigits

        init(_ operation: String, _ method: String, key: String? = nil) {
            self.operation = operation
            self.method = method
            self.key = key
            self.subject = key
        }

        /// Adds a body that is in memory, signed with its own hash.
        func with(body: [UInt8]) -> Call {
            var call = self
            call.payload = body
            call.hash = sha256(body).hexDigits
            return call
        }

        func cause(status: Int = 0, message: String) -> S3Cause {
            S3Cause(operation: operation, key: subject, status: status, message: message)
        }
    }

    /// Makes a call, and repeats it while that may help.
    ///
    /// - Parameter read: turns an answer into the result. Nil means that the answer makes no sense, for instance
    ///   because it was cut off: the call is repeated.
    /// - Throws: `S3Error` for the last try.
    func perform<Result>(_ call: Call, _ read: (Answer) -> Result?) throws(S3Error) -> Result {
        let deadline = MonotonicClock.milliseconds + UInt64(limits.call)
        var tries = 1
        var isRenewed = false
        while true {
            var asked: UInt64?
            var used: Credentials?
            do throws(S3Error) {
                let credentials = try credentials(for: call)
                used = credentials
                let answer = try exchange(call, credentials, until: deadline)
                asked = answer["retry-after"].flatMap { UInt64($0) }
                if let error = S3Error(answer, to: call, hiding: credentials.hiding) { throw error }
                guard let result = read(answer) else {
                    throw .unreachable(call.cause(status: answer.status, message: "the answer cannot be understood"))
                }
                return result
            } catch {
                if !isRenewed, let used, error.refusesCredentials(of: call.method), keeper.renew(after: used) {
                    isRenewed = true
                    continue
                }
                let pause = Backoff.milliseconds(after: tries, asked: asked, random: .random(in: 0...1))
                guard error.mayPass, tries < Backoff.tries, MonotonicClock.milliseconds + pause < deadline else {
                    throw error.after(tries: tries)
                }
                Backoff.sleep(milliseconds: pause)
                tries += 1
            }
        }
    }

    /// A lack of credentials is an outage like that of the engine: it may pass, and clients try again.
    private func credentials(for call: Call) throws(S3Error) -> Credentials {
        do { return try keeper.current() } catch { throw .unreachable(call.cause(message: printable("\(error)"))) }
    }

    private func exchange(
        _ call: Call, _ credentials: Credentials, until deadline: UInt64
    ) throws(S3Error) -> Answer {
        let now = MonotonicClock.milliseconds
        guard now < deadline else { throw .unreachable(call.cause(message: "out of time")) }
        let signed = signed(call, credentials)
        do throws(ExchangeError) {
            return try pool.withConnection { connection throws(ExchangeError) in
                try connection.perform(signed, limits: limits, certificates: certificates, within: deadline - now)
            }
        } catch {
            switch error {
            case .failed(let reason): throw .unreachable(call.cause(message: printable(reason)))
            case .payload(let error): throw .payload(error)
            case .sink: throw .payload(PayloadError("the answer cannot be kept"))
            case .tooLong: throw .refused(call.cause(message: "the answer has more than \(call.bodyLimit) bytes"))
            }
        }
    }

    /// Adds what the time of the signature is part of.
    private func signed(_ call: Call, _ credentials: Credentials) -> Exchange {
        let authority = style == .host ? "\(name).\(endpoint.authority)" : endpoint.authority
        let key = call.key.map { "/" + percentEncoded($0, keepsSlashes: true) }
        let path = style == .host ? key ?? "/" : "/\(name)\(key ?? "")"
        let query = Signer.query(call.query)
        let now = UInt64(clamping: time(nil))
        let headers =
            call.headers + signer.headers(credentials, hash: call.hash, time: now)
            + [Header("host", authority)]
        let authorization = signer.authorization(
            credentials, call.method, path: path, query: query, headers: headers, hash: call.hash, time: now)
        return Exchange(
            method: call.method,
            url: "\(endpoint.isSecure ? "https" : "http")://\(authority)\(path)\(query.isEmpty ? "" : "?\(query)")",
            headers: headers + [Header("authorization", authorization)], payload: call.payload, sink: call.sink,
            bodyLimit: call.bodyLimit)
    }
}

/// Text of the engine in a form that is safe in a log: bounded, in one line.
func printable(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.prefix(300).map { $0.properties.isPrintable ? $0 : " " }))
}

extension Unicode.Scalar.Properties {
    fileprivate var isPrintable: Bool {
        switch generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }
}

extension S3Error {
    /// Nil if the answer reports success.
    ///
    /// - Parameter hiding: replaces a text of the engine that has a secret.
    fileprivate init?(_ answer: Answer, to call: Bucket.Call, hiding: (String) -> String) {
        var cause = call.cause(status: answer.status, message: "")
        cause.request = answer["x-amz-request-id"].map(printable)
        let isSuccess = (200..<300).contains(answer.status)
        // An engine that has begun its answer with 200 can report trouble only in the body, as S3 itself does with
        // CompleteMultipartUpload. Such a body is short, so long lists are parsed only once.
        let isAsked = !isSuccess || call.operation != "GetObject" && answer.body.count < 4096
        let root = isAsked ? XMLElement.parse(answer.body) : nil
        if isSuccess && root?.name != "Error" { return nil }
        if let root, root.name == "Error" {
            cause.code = printable(hiding(root["Code"] ?? ""))
            cause.message = printable(hiding(root["Message"] ?? ""))
        }
        // An engine tells the right region in one of these.
        let region = answer["x-amz-bucket-region"] ?? root?["Region"]
        if let region, (300..<400).contains(answer.status) || cause.code == "AuthorizationHeaderMalformed" {
            cause.message += (cause.message.isEmpty ? "" : " ") + "(the bucket is in the region \(printable(region)))"
        }
        self.init(cause)
    }
}
