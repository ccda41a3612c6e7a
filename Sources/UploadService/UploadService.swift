package import HTTP
package import Logging
import Multipart
import UploadModel
package import UploadStore

/// Answers requests on the upload routes: reads the request, calls the store, and turns the outcome into a response.
package struct UploadService: RequestHandler {
    /// The paths that the service answers on (PROTOCOL.md, Requests).
    package static let routes: Set<String> = ["/resumable_upload", "/api/photo/redeem-upload-token"]

    private let store: any ChunkStore
    private let settings: UploadSettings
    private let admission: ChunkAdmission
    private let log: Logger
    private let observe: RequestObserver

    /// - Parameter observe: called with the outcome of each request.
    package init(
        store: any ChunkStore, settings: UploadSettings, log: Logger, observe: @escaping RequestObserver = { _ in }
    ) {
        self.store = store
        self.settings = settings
        admission = ChunkAdmission(settings: settings, store: store)
        self.log = log
        self.observe = observe
    }

    package func respond(
        to request: Request, body: inout some RequestBody, using buffer: UnsafeMutableRawBufferPointer
    ) -> Response {
        let began = ContinuousClock.now
        var counted = CountedBody(body)
        var (outcome, response, failure) = answer(request, &counted, buffer)
        body = counted.body
        response.headers += settings.origins.headers(for: request, methods: methods)
        observe(
            RequestReport(
                request, outcome, file: failure.flatMap { file(of: request, $0) }, received: counted.received,
                duration: .now - began, fault: failure?.fault))
        return response
    }

    private func answer(
        _ request: Request, _ body: inout some RequestBody, _ buffer: UnsafeMutableRawBufferPointer
    ) -> (Outcome, Response, RequestFailure?) {
        func answered(_ outcome: Outcome) -> (Outcome, Response, RequestFailure?) { (outcome, outcome.response, nil) }
        do throws(RequestFailure) {
            guard UploadService.routes.contains(request.path) else {
                throw RequestFailure(.unsupported("There is no upload service at this address"))
            }
            guard settings.origins.judge(request) != .refused else {
                throw RequestFailure(.refused("Pages of this origin may not upload here", because: .origin))
            }
            switch request.method {
            case .get, .head:
                let (outcome, response) = try test(request)
                return (outcome, response, nil)
            case .post, .put, .patch:
                return answered(try upload(request, &body, buffer))
            case .options:
                return answered(.allowed(methods: methods))
            case .delete where settings.authorization.allowsRemoval:
                return answered(try remove(request))
            case .delete, .other:
                throw RequestFailure(.unsupported("This method is not supported; send GET or POST"))
            }
        } catch {
            record(error)
            return (error.outcome, error.response, error)
        }
    }

    /// Answers whether a chunk is held; with all ranges that are held, for a client that asks for JSON.
    private func test(_ request: Request) throws(RequestFailure) -> (Outcome, Response) {
        let parameters = try admission.queryParameters(of: request)
        let permit = try admission.permit(for: request, parameters)
        let wantsJSON = request.accepts("application/json")
        let chunk: ChunkRequest
        let status: UploadStatus?
        do throws(RequestFailure) {
            chunk = try admission.chunk(parameters, for: .test, permit, of: request)
            status = try step({ RequestFailure($0) }, { () throws(StoreError) in try store.status(of: chunk) })
        } catch {
            throw wantsJSON ? error.telling(admission.limits(permit, of: request)) : error
        }
        // A client that asks for JSON is written for this server and knows 404; an answer with 204 could have no body.
        let quietly = !wantsJSON && (settings.missingStatus == .noContent || chunk.dialect.givesUpOnNotFound)
        let outcome = status?.receipt.map { Outcome.held($0) } ?? .missing(quietly: quietly)
        guard wantsJSON else { return (outcome, outcome.response) }
        let response = Response(
            status: outcome.row.status, headers: [.init("X-Upload-Outcome", outcome.row.name.rawValue)])
        let ranges = HeldRanges(chunk, status, limits: admission.limits(permit, of: request))
        return (outcome, response.with(ranges.json, type: "application/json"))
    }

    /// The methods that the route supports, for the header `Allow` (RFC 9110, section 10.2.1).
    private var methods: String {
        "GET, HEAD, POST, PUT, PATCH, " + (settings.authorization.allowsRemoval ? "DELETE, " : "") + "OPTIONS"
    }

    /// Removes an unfinished upload.
    private func remove(_ request: Request) throws(RequestFailure) -> Outcome {
        let parameters = try admission.queryParameters(of: request)
        let permit = try admission.permit(for: request, parameters)
        guard permit.mayRemove else {
            throw RequestFailure(.refused("The token does not allow deleting uploads", because: .token))
        }
        let upload = try step(
            { RequestFailure(Outcome($0)) },
            { () throws(ParameterError) in try UploadID(parameters, owner: permit.owner) })
        let removal = try step({ RequestFailure($0) }, { () throws(StoreError) in try store.remove(upload) })
        return .removed(removal)
    }

    /// Takes a chunk.
    private func upload(
        _ request: Request, _ body: inout some RequestBody, _ memory: UnsafeMutableRawBufferPointer
    ) throws(RequestFailure) -> Outcome {
        let parameters = try admission.queryParameters(of: request)
        // Bytes are stored as they come, so compressed ones would be taken for the file's.
        if let encoding = request.contentEncoding, encoding.lowercased() != "identity" {
            throw RequestFailure(.refused("Compressed requests are not accepted here", because: .encoding))
        }
        guard request.contentLength ?? 0 <= settings.maximumBodySize else { throw UploadService.tooLarge }
        let buffer = ChunkBuffer(memory)
        switch try BodyKind(request.contentType, parameters) {
        case .form(let boundary):
            var form = FormReceiver(
                request, boundary: boundary, parameters: parameters, admission: admission, buffer: buffer)
            return .stored(try read(&body, of: request, into: &form))
        case .octets:
            var octets = try OctetReceiver(
                request, parameters: parameters, admission: admission, buffer: buffer)
            return .stored(try read(&body, of: request, into: &octets))
        }
    }

    private static var tooLarge: RequestFailure {
        RequestFailure(.refused("The chunk is larger than this server accepts", because: .size))
    }

    /// Reads a body to its end.
    private func read(
        _ body: inout some RequestBody, of request: Request, into receiver: inout some BodyReceiver
    ) throws(RequestFailure) -> Receipt {
        let digest = try request.contentDigest.flatMap { value throws(RequestFailure) in
            try DigestCheck(value, name: "Content-Digest")
        }
        var received: UInt64 = 0
        while true {
            var count = 0
            do throws(BodyError) { count = try body.read(into: receiver.buffer.target) } catch {
                throw RequestFailure(Outcome(error))
            }
            guard count > 0 else { break }
            received += UInt64(count)
            guard received <= settings.maximumBodySize else { throw UploadService.tooLarge }
            let bytes = receiver.buffer.filled(count)
            digest?.update(bytes)
            try receiver.take(bytes)
        }
        try digest?.finish()
        return try receiver.finish()
    }

    /// Name and size of the file that a refused request was about, as far as they are valid: the request may have been
    /// refused before they were read.
    private func file(of request: Request, _ failure: RequestFailure) -> (name: String?, size: UInt64?)? {
        guard case .refused = failure.outcome, let parameters = try? admission.queryParameters(of: request) else {
            return nil
        }
        let dialect = Dialect.of(parameters)
        let name = parameters[dialect.filename].flatMap { try? FileName($0, parameter: dialect.filename) }
        return (name?.text, parameters[dialect.totalSize].flatMap { UInt64($0) })
    }

    private func record(_ failure: RequestFailure) {
        let row = failure.outcome.row
        var facts: Logger.Metadata = ["outcome": "\(row.name)"]
        if let cause = failure.cause {
            facts["cause"] = "\(cause)"
            log.error("request failed", metadata: facts)
        } else {
            facts["line"] = "\(row.line)"
            if let note = failure.note { facts["note"] = "\(note)" }
            log.debug("request not served", metadata: facts)
        }
    }
}
