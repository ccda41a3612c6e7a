import Glibc
import JSON
import UploadModel
import UploadStore

/// An event as receivers get it: one JSON object, in the structured content mode of CloudEvents 1.0.
struct CloudEvent: Sendable {
    /// The media type of the JSON.
    static let mediaType = "application/cloudevents+json; charset=utf-8"
    /// The attribute `source`: the upload route, relative to the site.
    private static let source = "/resumable_upload"

    /// Names the event. The same at each delivery.
    let id: String
    let json: String

    private init(id: String, type: String, time: UInt64, subject: String, data: [(name: String, value: JSON)]) {
        self.id = id
        let event = JSON.object([
            ("specversion", .string("1.0")), ("id", .string(id)), ("source", .string(CloudEvent.source)),
            ("type", .string(type)), ("time", .string(timestamp(time))), ("subject", .string(subject)),
            ("datacontenttype", .string("application/json")), ("data", .object(data)),
        ])
        json = event.description
    }

    /// The event of a file that has its final name.
    init(finished event: OwedEvent) {
        let upload = event.upload
        let path = upload.path ?? upload.id.filename.text
        self.init(
            id: event.id, type: "resumabled.upload.finished", time: upload.finished ?? upload.touched, subject: path,
            data: facts(upload.id, size: upload.size, upload.metadata) + [
                ("path", .string(path)), ("begun", .number(upload.begun)), ("finished", .number(upload.finished)),
            ])
    }

    /// The event of an upload that is about to begin.
    ///
    /// - Parameter time: the present time in Unix seconds.
    init(begun chunk: ChunkRequest, id: String, time: UInt64) {
        var size: UInt64?
        if case .sized(let total, _, _) = chunk.place { size = total }
        self.init(
            id: id, type: "resumabled.upload.begun", time: time, subject: chunk.upload.filename.text,
            data: facts(chunk.upload, size: size, chunk.metadata) + [
                ("relativePath", .string(chunk.relativePath?.text))
            ])
    }
}

/// The facts that the client states about a file, for both kinds of events.
private func facts(_ id: UploadID, size: UInt64?, _ metadata: Metadata) -> [(name: String, value: JSON)] {
    [
        ("identifier", .string(id.identifier)), ("filename", .string(id.filename.text)), ("size", .number(size)),
        ("type", .string(metadata.mediaType)),
        ("metadata", JSON(metadata: metadata.others.lists)),
    ] + (id.owner.subject.isEmpty ? [] : [("owner", .string(id.owner.subject))])
}

extension Metadata {
    /// The media type of the file, as the browser believes it.
    var mediaType: String? { Dialect.mediaType(in: self)?.value }

    /// All pairs but the media type.
    fileprivate var others: Metadata {
        let type = Dialect.mediaType(in: self)
        return Metadata(pairs.filter { $0 != type })
    }
}

/// A time in the format of RFC 3339.
private func timestamp(_ unixSeconds: UInt64) -> String {
    var seconds = time_t(clamping: unixSeconds)
    var parts = tm()
    guard gmtime_r(&seconds, &parts) != nil else { return "1970-01-01T00:00:00Z" }
    func digits(_ number: Int32, _ count: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, count - digits.count)) + digits
    }
    return [digits(parts.tm_year + 1900, 4), digits(parts.tm_mon + 1, 2), digits(parts.tm_mday, 2)]
        .joined(separator: "-") + "T"
        + [digits(parts.tm_hour, 2), digits(parts.tm_min, 2), digits(parts.tm_sec, 2)].joined(separator: ":") + "Z"
}
