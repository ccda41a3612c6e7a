import Multipart
import UploadModel

/// The kind of an upload's body (PROTOCOL.md, Requests): a form with the chunk in it, or the chunk itself.
enum BodyKind {
    case form(Boundary)
    case octets

    /// A body that is no form is the chunk if the query names the upload, whatever its media type: clients send the
    /// file's own type or none.
    ///
    /// - Parameter parameters: those of the query.
    init(_ contentType: String?, _ parameters: Parameters) throws(RequestFailure) {
        let type = contentType.flatMap { try? MediaType($0.utf8) }
        switch type?.essence {
        case "multipart/form-data":
            self = .form(
                try step(
                    { RequestFailure(Outcome($0)) },
                    { () throws(MultipartError) in try Boundary(contentType: (contentType ?? "").utf8) }))
        case "application/octet-stream":
            self = .octets
        case "application/x-www-form-urlencoded":
            throw RequestFailure(.unsupported("Forms of this type are not supported; send multipart/form-data"))
        default:
            // A form whose header cannot be read must not be stored as the file.
            if type == nil, let contentType, contentType.lowercased().contains("multipart/") {
                throw RequestFailure(Outcome(MultipartError.malformedMediaType))
            }
            // A file may be of a multipart type; only a body that was written as one has a boundary.
            let isMultipart = type?.type == "multipart" && type?.parameters["boundary"] != nil
            guard !isMultipart, parameters[Dialect.of(parameters).identifier] != nil else {
                throw RequestFailure(.unsupported("This Content-Type is not supported; send multipart/form-data"))
            }
            self = .octets
        }
    }
}
