import HTTP
import JSON
import UploadModel
import UploadStore

/// Decides whether a chunk may be tested or sent. Tests, forms and octet bodies all come through here: it reads the
/// parameters, checks them against the settings and the client's permit, and opens the writer.
struct ChunkAdmission: Sendable {
    let settings: UploadSettings
    let store: any ChunkStore

    /// The parameters in a request's query.
    func queryParameters(of request: Request) throws(RequestFailure) -> Parameters {
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

    /// The client's permit.
    func permit(for request: Request, _ parameters: Parameters) throws(RequestFailure) -> Permit {
        try settings.authorization.permit(for: request, parameters)
    }

    /// The chunk that a request describes, if the settings and the permit allow such a chunk.
    func chunk(
        _ parameters: Parameters, for purpose: ChunkRequest.Purpose, _ permit: Permit, of request: Request
    ) throws(RequestFailure) -> ChunkRequest {
        var chunk = try step(
            { RequestFailure(Outcome($0)) },
            { () throws(ParameterError) in
                try ChunkRequest(
                    parameters, for: purpose, permit: permit, maximumFileSize: settings.maximumFileSize,
                    usesPath: settings.usesPaths)
            })
        chunk.clientKey = ClientKey(request, permit).name
        try checkSize(chunk)
        try checkType(chunk, declared: parameters[chunk.dialect.type], permit)
        return chunk
    }

    /// Opens a writer for the chunk that the parameters describe.
    func writer(
        for parameters: Parameters, _ permit: Permit, of request: Request
    ) throws(RequestFailure) -> SniffingWriter {
        try writer(for: try chunk(parameters, for: .upload, permit, of: request), permit)
    }

    /// Opens a writer for a chunk that was admitted.
    func writer(for chunk: ChunkRequest, _ permit: Permit) throws(RequestFailure) -> SniffingWriter {
        try SniffingWriter(chunk, into: store, types: types(permit), sniffer: settings.sniffer)
    }

    /// The limits on files, chunks and request bodies that apply to the client (PROTOCOL.md, The JSON of a test).
    func limits(_ permit: Permit, of request: Request) -> JSON {
        // nginx takes zero for no limit.
        let passedOn = request.bodyLimit.flatMap { ByteCount($0) }.flatMap { $0.bytes > 0 ? $0.bytes : nil }
        return .object([
            ("maxFileSize", .number(min(settings.maximumFileSize, permit.maximumFileSize ?? .max))),
            ("maxChunkSize", .number(settings.maximumChunkSize)),
            ("maxBodySize", .number(min(settings.maximumBodySize, passedOn ?? .max))),
            // A permit's types narrow the server's.
            ("types", .string((permit.types ?? settings.types)?.description)),
        ])
    }

    /// A file that is cut into larger chunks than are accepted is still accepted if this chunk of it is small.
    private func checkSize(_ chunk: ChunkRequest) throws(RequestFailure) {
        let limit = settings.maximumChunkSize
        guard case .sized(_, let chunkSize, let layout) = chunk.place, chunkSize > limit, layout.range.length > limit
        else { return }
        throw RequestFailure(.refused("Chunks of at most \(limit) bytes are accepted here", because: .size))
    }

    private func checkType(_ chunk: ChunkRequest, declared: String?, _ permit: Permit) throws(RequestFailure) {
        for types in types(permit) {
            switch types.judge(name: chunk.upload.filename, type: declared) {
            case .accepted: break
            case .undecided where settings.sniffer != nil: break
            case .undecided, .refused:
                throw RequestFailure(.refused("Files of this type are not accepted here (\(types))", because: .type))
            }
        }
    }

    /// The rules that a file's type must obey: the server's and the permit's.
    private func types(_ permit: Permit) -> [TypePolicy] { [settings.types, permit.types].compactMap(\.self) }
}
