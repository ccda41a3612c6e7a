public import HTTP
public import Logging
import Multipart
import UploadModel
public import UploadStore

/// The steward: finds out what a request wants, has the store do it, and puts the outcome into words.
public struct UploadService: RequestHandler {
    /// The paths that the service answers on (seed: the Flask backend's, and the client's example).
    public static let routes: Set<String> = ["/resumable_upload", "/api/photo/redeem-upload-token"]

    private let store: any ChunkStore
    private let settings: UploadSettings
    private let log: Logger

    /// A service over that store.
    public init(store: any ChunkStore, settings: UploadSettings, log: Logger) {
        self.store = store
        self.settings = settings
        self.log = log
    }

    public func respond(
        to request: Request, body: inout some RequestBody, using buffer: UnsafeMutableRawBufferPointer
    ) -> Response {
        var response = answer(request, &body, buffer)
        response.headers += settings.origins.headers(for: request, methods: methods)
        return response
    }

    private func answer(
        _ request: Request, _ body: inout some RequestBody, _ buffer: UnsafeMutableRawBufferPointer
    ) -> Response {
        do throws(Ended) {
            guard UploadService.routes.contains(request.path) else {
                throw Ended(.unsupported("There is no upload service at this address"))
            }
            guard settings.origins.judge(request) != .refused else {
                throw Ended(.refused("Pages of this origin may not upload here"))
            }
            switch request.method {
            case .get, .head:
                return try test(request)
            case .post, .put, .patch:
                return try upload(request, &body, buffer).response
            case .options:
                return Outcome.allowed(methods: methods).response
            case .delete where settings.deleteToken != nil:
                return try remove(request).response
            case .delete, .other:
                throw Ended(.unsupported("This method is not supported; send GET or POST"))
            }
        } catch {
            record(error, request)
            return error.outcome.response
        }
    }

    /// Is this chunk held? Who asks for JSON is told all that is.
    private func test(_ request: Request) throws(Ended) -> Response {
        let chunk = try settings.chunk(try parameters(of: request), for: .test)
        let status = try step({ Ended($0) }, { () throws(StoreError) in try store.status(of: chunk) })
        let wantsJSON = request.accepts("application/json")
        // Who asks for JSON knows this server, and an answer with 204 has no body that could tell it anything.
        let quietly = !wantsJSON && (settings.missingStatus == .noContent || chunk.dialect.givesUpOnNotFound)
        let outcome = status?.receipt.map { Outcome.held($0) } ?? .missing(quietly: quietly)
        guard wantsJSON else { return outcome.response }
        let response = Response(
            status: outcome.row.status, headers: [.init("X-Upload-Outcome", outcome.row.name)])
        return response.with(HeldRanges(chunk, status).json, type: "application/json")
    }

    /// What the route speaks (RFC 9110, section 10.2.1).
    private var methods: String {
        "GET, HEAD, POST, PUT, PATCH, " + (settings.deleteToken == nil ? "" : "DELETE, ") + "OPTIONS"
    }

    /// The upload is given up.
    private func remove(_ request: Request) throws(Ended) -> Outcome {
        let parameters = try parameters(of: request)
        guard settings.deleteToken?.isCarried(by: request, parameters) == true else {
            throw Ended(.refused("The token does not allow to delete uploads"))
        }
        let upload = try step(
            { Ended(Outcome($0)) }, { () throws(ParameterError) in try UploadID(parameters) })
        let removal = try step({ Ended($0) }, { () throws(StoreError) in try store.remove(upload) })
        return .removed(removal)
    }

    /// Here is a chunk.
    private func upload(
        _ request: Request, _ body: inout some RequestBody, _ buffer: UnsafeMutableRawBufferPointer
    ) throws(Ended) -> Outcome {
        let parameters = try parameters(of: request)
        guard let contentType = request.contentType else {
            throw Ended(.unsupported("The request has no Content-Type; send multipart/form-data"))
        }
        let type = try step({ Ended(Outcome($0)) }, { () throws(MultipartError) in try MediaType(contentType.utf8) })
        let digest = try request.contentDigest.flatMap { value throws(Ended) in
            try DigestCheck(value, name: "Content-Digest")
        }
        let receipt: Receipt
        switch type.essence {
        case "multipart/form-data":
            let boundary = try step({ Ended(Outcome($0)) }, { () throws(MultipartError) in try Boundary(type) })
            var form = FormReceiver(
                boundary: boundary, parameters: parameters, settings: settings, store: store, buffer: buffer)
            try pull(&body, into: buffer) { bytes throws(Ended) in
                digest?.update(bytes)
                try form.take(bytes)
            }
            try digest?.finish()
            receipt = try form.finish()
        case "application/octet-stream":
            let intake = try Intake(settings.chunk(parameters, for: .upload), into: store, settings)
            try pull(&body, into: buffer) { bytes throws(Ended) in
                digest?.update(bytes)
                try intake.write(bytes)
            }
            try digest?.finish()
            receipt = try intake.commit()
        default:
            throw Ended(.unsupported("This Content-Type is not supported; send multipart/form-data"))
        }
        return .stored(receipt)
    }

    private func parameters(of request: Request) throws(Ended) -> Parameters {
        let pairs = try step(
            { Ended(Outcome($0)) },
            { () throws(QueryError) in
                try QueryString.parse(request.query, maximumCount: settings.parameters.count)
            })
        var parameters = Parameters(limits: settings.parameters)
        for pair in pairs {
            try step(
                { Ended(Outcome($0)) },
                { () throws(ParameterError) in try parameters.add(pair.name, pair.value, from: .query) })
        }
        return parameters
    }

    private func record(_ ended: Ended, _ request: Request) {
        let row = ended.outcome.row
        var facts: Logger.Metadata = ["outcome": "\(row.name)", "request": "\(request.requestID)"]
        if let cause = ended.cause {
            facts["cause"] = "\(cause)"
            log.error("request failed", metadata: facts)
        } else {
            facts["line"] = "\(row.line)"
            log.debug("request not served", metadata: facts)
        }
    }
}

/// Reads a body to its end, piece by piece.
private func pull(
    _ body: inout some RequestBody, into buffer: UnsafeMutableRawBufferPointer,
    _ take: (UnsafeRawBufferPointer) throws(Ended) -> Void
) throws(Ended) {
    while true {
        var count = 0
        do throws(BodyError) { count = try body.read(into: buffer) } catch { throw Ended(Outcome(error)) }
        guard count > 0 else { return }
        try take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
}
