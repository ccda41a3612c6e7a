import HTTP
package import Multipart
package import UploadModel
import UploadStore

/// What an operator may set about uploads.
package struct UploadSettings: Sendable {
    /// How many bytes a file may have.
    package var maximumFileSize: UInt64
    /// How many bytes a chunk may have; the last of a file, which may take the remainder with it, less than twice as many.
    /// At most 2^40 (contract, `resumableChunkSize`).
    package var maximumChunkSize: UInt64
    /// The name of the form's part that holds the chunk.
    package var fileParameter: String
    /// Bounds on parameters.
    package var parameters: ParameterLimits
    /// Bounds on the form.
    package var form: MultipartLimits
    /// Which pages may send.
    package var origins: OriginPolicy
    /// Which types of file are accepted; nil: all.
    package var types: TypePolicy?
    /// Looks at a file's first bytes, to hold them against `types`; nil: names and the client's word are enough.
    package var sniffer: ContentSniffer?
    /// How a test of a chunk that is missing is answered, where the client's dialect doesn't decide.
    package var missingStatus: MissingStatus
    /// Who may do what.
    package var authorization: Authorization

    /// Settings; the defaults are those of the README.
    package init(
        maximumFileSize: UInt64 = 1 << 40,
        maximumChunkSize: UInt64 = 256 << 20,
        fileParameter: String = "file",
        parameters: ParameterLimits = ParameterLimits(),
        form: MultipartLimits = MultipartLimits(),
        origins: OriginPolicy = OriginPolicy(),
        types: TypePolicy? = nil,
        sniffer: ContentSniffer? = nil,
        missingStatus: MissingStatus = .notFound,
        authorization: Authorization = Authorization(now: { 0 })
    ) {
        self.maximumFileSize = maximumFileSize
        self.maximumChunkSize = min(maximumChunkSize, 1 << 40)
        self.fileParameter = fileParameter
        self.parameters = parameters
        self.form = form
        self.origins = origins
        self.types = types
        self.sniffer = sniffer
        self.missingStatus = missingStatus
        self.authorization = authorization
    }

    /// How many bytes a request's body may have: the largest chunk, and 64 KiB for the form around it. `deploy/nginx-conf`
    /// gives nginx the same number.
    var maximumBodySize: UInt64 { 2 * maximumChunkSize + 64 << 10 }

    /// What a request says about its chunk, held against the limits and what its sender may do.
    func chunk(
        _ parameters: Parameters, for purpose: ChunkRequest.Purpose, _ permit: Permit, of request: Request
    ) throws(RequestFailure) -> ChunkRequest {
        var chunk = try step(
            { RequestFailure(Outcome($0)) },
            { () throws(ParameterError) in
                try ChunkRequest(parameters, for: purpose, permit: permit, maximumFileSize: maximumFileSize)
            })
        chunk.sender = ClientKey(request, permit).name
        // What is cut into larger chunks is no worse for it as long as it has only a small one.
        if case .sized(_, let chunkSize, let layout) = chunk.place, chunkSize > maximumChunkSize,
            layout.range.length > maximumChunkSize
        {
            throw RequestFailure(
                .refused("Chunks of at most \(maximumChunkSize) bytes are accepted here", because: .size))
        }
        for types in types(permit) {
            switch types.judge(name: chunk.upload.filename, type: parameters[chunk.dialect.type]) {
            case .accepted: break
            case .undecided where sniffer != nil: break
            case .undecided, .refused:
                throw RequestFailure(.refused("Files of this type are not accepted here (\(types))", because: .type))
            }
        }
        return chunk
    }

    /// The rules that a file's type must obey: the server's and the permit's.
    func types(_ permit: Permit) -> [TypePolicy] { [types, permit.types].compactMap(\.self) }
}

/// The status code that says that a chunk isn't there yet (contract, `missing`).
package enum MissingStatus: Int, Sendable, CaseIterable {
    /// As the Flask backend says it.
    case notFound = 404
    /// For clients that take 404 for the end of the file.
    case noContent = 204
}
