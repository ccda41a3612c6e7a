package import Multipart
package import UploadModel

/// An operator's settings for uploads.
package struct UploadSettings: Sendable {
    /// The largest file, in bytes.
    package var maximumFileSize: UInt64
    /// The largest chunk, in bytes. The last chunk of a file may include the remainder, and then has less than twice as
    /// many. At most 2^40 (PROTOCOL.md, Parameters).
    package var maximumChunkSize: UInt64
    /// True if the store places files by their relative paths.
    package var usesPaths: Bool
    /// The name of the form's part that holds the chunk.
    package var fileParameter: String
    /// Limits on parameters.
    package var parameters: ParameterLimits
    /// Limits on forms.
    package var form: MultipartLimits
    /// The pages that may send requests.
    package var origins: OriginPolicy
    /// The accepted types of file; nil: all.
    package var types: TypePolicy?
    /// Checks a file's first bytes against `types`; nil: its name and declared type are enough.
    package var sniffer: ContentSniffer?
    /// The answer to a test of a missing chunk, where the client's dialect doesn't decide.
    package var missingStatus: MissingStatus
    /// Decides what a client may do.
    package var authorization: Authorization

    /// Settings; the defaults are those of the program's options.
    package init(
        maximumFileSize: UInt64 = 1 << 40,
        maximumChunkSize: UInt64 = 256 << 20,
        usesPaths: Bool = true,
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
        self.usesPaths = usesPaths
        self.fileParameter = fileParameter
        self.parameters = parameters
        self.form = form
        self.origins = origins
        self.types = types
        self.sniffer = sniffer
        self.missingStatus = missingStatus
        self.authorization = authorization
    }

    /// The largest body of a request, in bytes: the largest chunk, and 64 KiB for the form around it.
    /// `deploy/nginx-conf` gives nginx the same number.
    var maximumBodySize: UInt64 { 2 * maximumChunkSize + 64 << 10 }
}

/// The status code for a missing chunk (PROTOCOL.md, Status codes).
package enum MissingStatus: Int, Sendable, CaseIterable {
    /// The Flask backend's.
    case notFound = 404
    /// For clients that give a file up on 404.
    case noContent = 204
}
