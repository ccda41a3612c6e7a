public import Multipart
public import UploadModel

/// What an operator may set about uploads.
public struct UploadSettings: Sendable {
    /// How many bytes a file may have.
    public var maximumFileSize: UInt64
    /// The name of the form's part that holds the chunk.
    public var fileParameter: String
    /// Bounds on parameters.
    public var parameters: ParameterLimits
    /// Bounds on the form.
    public var form: MultipartLimits
    /// Which pages may send.
    public var origins: OriginPolicy
    /// Which types of file are accepted; nil: all.
    public var types: TypePolicy?
    /// Looks at a file's first bytes, to hold them against `types`; nil: names and the client's word are enough.
    public var sniffer: ContentSniffer?
    /// How a test of a chunk that is missing is answered, where the client's dialect doesn't decide.
    public var missingStatus: MissingStatus
    /// Who may do what.
    public var authorization: Authorization

    /// Settings; the defaults are those of the README.
    public init(
        maximumFileSize: UInt64 = 1 << 40,
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
        self.fileParameter = fileParameter
        self.parameters = parameters
        self.form = form
        self.origins = origins
        self.types = types
        self.sniffer = sniffer
        self.missingStatus = missingStatus
        self.authorization = authorization
    }

    /// What a request says about its chunk, held against the limits and what its sender may do.
    func chunk(
        _ parameters: Parameters, for purpose: ChunkRequest.Purpose, _ permit: Permit
    ) throws(Ended) -> ChunkRequest {
        let chunk = try step(
            { Ended(Outcome($0)) },
            { () throws(ParameterError) in
                try ChunkRequest(parameters, for: purpose, permit: permit, maximumFileSize: maximumFileSize)
            })
        for types in types(permit) {
            switch types.judge(name: chunk.upload.filename, type: parameters[chunk.dialect.type]) {
            case .accepted: break
            case .undecided where sniffer != nil: break
            case .undecided, .refused:
                throw Ended(.refused("Files of this type are not accepted here (\(types))", because: .type))
            }
        }
        return chunk
    }

    /// The rules that a file's type must obey: the server's and the permit's.
    func types(_ permit: Permit) -> [TypePolicy] { [types, permit.types].compactMap(\.self) }
}

/// The status code that says that a chunk isn't there yet (contract, `missing`).
public enum MissingStatus: Int, Sendable, CaseIterable {
    /// As the Flask backend says it.
    case notFound = 404
    /// For clients that take 404 for the end of the file.
    case noContent = 204
}
