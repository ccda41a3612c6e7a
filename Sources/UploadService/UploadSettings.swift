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
    /// What allows to give an upload up; nil where nobody may.
    public var deleteToken: DeleteToken?

    /// Settings; the defaults are those of the README.
    public init(
        maximumFileSize: UInt64 = 1 << 40,
        fileParameter: String = "file",
        parameters: ParameterLimits = ParameterLimits(),
        form: MultipartLimits = MultipartLimits(),
        deleteToken: DeleteToken? = nil
    ) {
        self.maximumFileSize = maximumFileSize
        self.fileParameter = fileParameter
        self.parameters = parameters
        self.form = form
        self.deleteToken = deleteToken
    }

    /// What a request says about its chunk, held against the limits.
    func chunk(_ parameters: Parameters, for purpose: ChunkRequest.Purpose) throws(Ended) -> ChunkRequest {
        try step(
            { Ended(Outcome($0)) },
            { () throws(ParameterError) in
                try ChunkRequest(parameters, for: purpose, maximumFileSize: maximumFileSize)
            })
    }
}
