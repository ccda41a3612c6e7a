package import HTTP
package import Logging
import Multipart
import UploadModel
package import UploadStore

/// The steward: finds out what a request wants, has the store do it, and puts the outcome into words.
package struct UploadService: RequestHandler {
    /// The paths that the service answers on (seed: the Flask backend's, and the client's example).
    package static let routes: Set<String> = ["/resumable_upload", "/api/photo/redeem-upload-token"]

    private let store: any ChunkStore
    private let settings: UploadSettings
    private let log: Logger
    private let observe: RequestObserver

    /// A service over that store.
    ///
    /// - Parameter observe: is told what became of each request.
    package init(
        store: any ChunkStore, settings: UploadSettings, log: Logger, observe: @escaping RequestObserver = { _ in }
    ) {
        self.store = store
        self.settings = settings
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
        func whole(_ outcome: Outcome) -> (Outcome, Response, RequestFailure?) { (outcome, outcome.response, nil) }
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
                return whole(try upload(request, &body, buffer))
            case .options:
                return whole(.allowed(methods: methods))
            case .delete where settings.authorization.allowsRemoval:
                return whole(try remove(request))
            case .delete, .other:
                throw RequestFailure(.unsupported("This method is not supported; send GET or POST"))
            }
        } catch {
            record(error)
            return (error.outcome, error.outcome.response, error)
        }
    }

    /// Is this chunk held? Who asks for JSON is told all that is.
    private func test(_ request: Request) throws(RequestFailure) -> (Outcome, Response) {
        let parameters = try parameters(of: request)
        let permit = try settings.authorization.permit(for: request, parameters)
        let chunk = try settings.chunk(parameters, for: .test, permit, of: request)
        let status = try step({ RequestFailure($0) }, { () throws(StoreError) in try store.status(of: chunk) })
        let wantsJSON = request.accepts("application/json")
        // Who asks for JSON knows this server, and an answer with 204 has no body that could tell it anything.
        let quietly = !wantsJSON && (settings.missingStatus == .noContent || chunk.dialect.givesUpOnNotFound)
        let outcome = status?.receipt.map { Outcome.held($0) } ?? .missing(quietly: quietly)
        guard wantsJSON else { return (outcome, outcome.response) }
        let response = Response(
            status: outcome.row.status, headers: [.init("X-Upload-Outcome", outcome.row.name.rawValue)])
        return (outcome, response.with(HeldRanges(chunk, status).json, type: "application/json"))
    }

    /// What the route speaks (RFC 9110, section 10.2.1).
    private var methods: String {
        "GET, HEAD, POST, PUT, PATCH, " + (settings.authorization.allowsRemoval ? "DELETE, " : "") + "OPTIONS"
    }

    /// The upload is given up.
    private func remove(_ request: Request) throws(RequestFailure) -> Outcome {
        let parameters = try parameters(of: request)
        let permit = try settings.authorization.permit(for: request, parameters)
        guard permit.mayRemove else {
            throw RequestFailure(.refused("The token does not allow to delete uploads", because: .token))
        }
        let upload = try step(
            { RequestFailure(Outcome($0)) },
            { () throws(ParameterError) in try UploadID(parameters, owner: permit.owner) })
        let removal = try step({ RequestFailure($0) }, { () throws(StoreError) in try store.remove(upload) })
        return .removed(removal)
    }

    /// Here is a chunk.
    private func upload(
        _ request: Request, _ body: inout some RequestBody, _ buffer: UnsafeMutableRawBufferPointer
    ) throws(RequestFailure) -> Outcome {
        let parameters = try parameters(of: request)
        guard let contentType = request.contentType else {
            throw RequestFailure(.unsupported("The request has no Content-Type; send multipart/form-data"))
        }
        let type = try step(
            { RequestFailure(Outcome($0)) }, { () throws(MultipartError) in try MediaType(contentType.utf8) })
        let digest = try request.contentDigest.flatMap { value throws(RequestFailure) in
            try DigestCheck(value, name: "Content-Digest")
        }
        let receipt: Receipt
        switch type.essence {
        case "multipart/form-data":
            let boundary = try step(
                { RequestFailure(Outcome($0)) }, { () throws(MultipartError) in try Boundary(type) })
            var form = FormReceiver(
                request, boundary: boundary, parameters: parameters, settings: settings, store: store, buffer: buffer)
            try pull(&body, of: request, into: buffer, first: form.room) { bytes throws(RequestFailure) in
                digest?.update(bytes)
                try form.take(bytes)
                return form.room
            }
            try digest?.finish()
            receipt = try form.finish()
        case "application/octet-stream":
            let permit = try settings.authorization.permit(for: request, parameters)
            let chunk = try settings.chunk(parameters, for: .upload, permit, of: request)
            let intake = try SniffingWriter(chunk, into: store, settings, permit)
            let room = 0..<FormReceiver.stride(of: buffer)
            try pull(&body, of: request, into: buffer, first: room) { bytes throws(RequestFailure) in
                digest?.update(bytes)
                try intake.write(bytes)
                return room
            }
            try digest?.finish()
            receipt = try intake.commit()
        default:
            throw RequestFailure(.unsupported("This Content-Type is not supported; send multipart/form-data"))
        }
        return .stored(receipt)
    }

    /// Reads a body to its end, piece by piece. One that is too large is not read at all if it says so.
    ///
    /// - Parameters:
    ///   - first: where in the buffer the first piece goes: it has so many bytes, if so many come.
    ///   - take: takes a piece, and says where the next one goes.
    private func pull(
        _ body: inout some RequestBody, of request: Request, into buffer: UnsafeMutableRawBufferPointer,
        first: Range<Int>, _ take: (UnsafeRawBufferPointer) throws(RequestFailure) -> Range<Int>
    ) throws(RequestFailure) {
        let tooLarge = RequestFailure(.refused("The chunk is larger than this server accepts", because: .size))
        guard request.contentLength ?? 0 <= settings.maximumBodySize else { throw tooLarge }
        var received: UInt64 = 0
        var room = first
        while true {
            var count = 0
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[room])
            do throws(BodyError) { count = try body.read(into: piece) } catch { throw RequestFailure(Outcome(error)) }
            guard count > 0 else { return }
            received += UInt64(count)
            guard received <= settings.maximumBodySize else { throw tooLarge }
            room = try take(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        }
    }

    private func parameters(of request: Request) throws(RequestFailure) -> Parameters {
        let pairs = try step(
            { RequestFailure(Outcome($0)) },
            { () throws(QueryError) in
                try QueryString.parse(request.query, maximumCount: settings.parameters.count)
            })
        var parameters = Parameters(limits: settings.parameters)
        for pair in pairs {
            try step(
                { RequestFailure(Outcome($0)) },
                { () throws(ParameterError) in try parameters.add(pair.name, pair.value, from: .query) })
        }
        return parameters
    }

    /// The file that a refused request was about: what of it keeps to the rules, since it may have been refused before
    /// anybody looked.
    private func file(of request: Request, _ failure: RequestFailure) -> (name: String?, size: UInt64?)? {
        guard case .refused = failure.outcome, let parameters = try? parameters(of: request) else { return nil }
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
