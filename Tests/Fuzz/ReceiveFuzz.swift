import HTTP
import Logging
import MultipartTestSupport
import StoreTestSupport
import TestSupport
import UploadModel
import UploadService

@testable import UploadStore

/// A chunk upload through the whole service, to a disk in memory. The first byte is the seed of the body's cuts; then
/// come the query string, a line break and the body, a form with the boundary `b`. The invariant:
/// 1. After 200, the form is whole by the reference parser and has one part named `file`, the parameters obey
///    `ReferenceRequest`, the bytes at the chunk's offset are exactly the part's, and a test finds them. A finished file
///    of one chunk is found only if its client states when it was modified.
/// 2. A form for which all that holds, with its fields before the file, gets 200.
/// 3. The root contains only the store's own folder and, once it is whole, the file.
///
/// This is checked with the parameter names of Resumable.js. Other dialects differ only in those.
func fuzzReceive(_ bytes: UnsafeRawBufferPointer) -> String? {
    let seed = bytes.first ?? 0
    let lines = bytes.dropFirst().split(separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false)
    let query = String(decoding: lines[0], as: UTF8.self)
    let body = lines.count > 1 ? Array(lines[1]) : []
    do {
        return try receive(body, query: query, seed: seed)
    } catch {
        return "\(error)"
    }
}

private let maximumFileSize: UInt64 = 4096

private func receive(_ body: [UInt8], query: String, seed: UInt8) throws -> String? {
    let disk = MemoryDisk()
    let store = try LocalStore(
        root: disk.root, boot: BootID(low: 1, high: 1), settings: StoreSettings(minimumFree: 0), now: { 100 })
    let service = UploadService(
        store: store, settings: UploadSettings(maximumFileSize: maximumFileSize),
        log: Logger(label: "fuzz", factory: { _ in SwiftLogNoOpLogHandler() }))
    let request = Request(
        method: .post, path: "/resumable_upload", query: query, contentType: "multipart/form-data; boundary=b",
        contentLength: UInt64(body.count))
    let answer = send(request, CutBody(body, seed: seed), to: service)
    if ![200, 415, 500, 501, 503].contains(answer.status) { return "status \(answer.status)" }

    let form = ReferenceForm(body, query: query)
    if let form, form.parameters.all["resumableIdentifier"] == nil { return nil }
    if answer.status != 200 {
        let isRight = form?.fileIsLast == true && form?.isDigested == false && form?.request?.sizes != nil
        return isRight ? "\(answer.status) \(String(decoding: answer.body, as: UTF8.self))" : nil
    }
    guard let form, let right = form.request else { return "200 for a form that breaks the rules" }
    let names = try disk.root.names().filter { $0 != LocalStore.stateFolder }
    // Some names are changed on disk.
    let isNameKept = isPlain(right.filename.bytes)
    if names.count > 1 || isNameKept && !names.isEmpty && names.map(Bytes.init(of:)) != [right.filename] {
        return "\(names) in the root"
    }
    guard let sizes = right.sizes else { return nil }

    let whole = sizes.total == UInt64(form.file.count)
    if whole != (names.count == 1) { return "the file is \(whole ? "not there" : "there too early")" }
    let folder = try disk.root.folder(LocalStore.stateFolder)
    let data = try folder.names().first { $0.hasSuffix(UploadFiles.dataSuffix) }
    guard let file = try names.first.map(disk.root.open) ?? data.map(folder.open) ?? nil else { return "no file" }
    var found = [UInt8](repeating: 0, count: form.file.count)
    let count = try found.withUnsafeMutableBytes { try file.read(into: $0, at: sizes.offset) }
    guard count == found.count, found == form.file else { return "\(found) instead of \(form.file)" }

    // A test that doesn't state the chunk's length asks for the longest possible chunk.
    var asked = form.parameters.all
    asked["resumableCurrentChunkSize"] = [Bytes(of: "\(form.file.count)")]
    let plain = asked.flatMap { name, values in values.map { name.percentEncoded + "=" + $0.percentEncoded } }
    let test = Request(method: .get, path: "/resumable_upload", query: plain.joined(separator: "&"))
    guard asked["resumableChunkNumber"] != nil else { return nil }
    let status = send(test, CutBody([], seed: 0), to: service).status
    let expected = whole && right.lastModified == nil ? 404 : 200
    return status == expected ? nil : "a test is answered \(status)"
}

private func send(_ request: Request, _ body: CutBody, to service: UploadService) -> Response {
    var body = body
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    return service.respond(to: request, body: &body, using: buffer)
}

/// A body that is read in pieces of up to 40 bytes.
private struct CutBody: RequestBody {
    private var rest: ArraySlice<UInt8>
    private var random: SplitMix64

    init(_ bytes: [UInt8], seed: UInt8) {
        rest = bytes[...]
        random = SplitMix64(seed: UInt64(seed))
    }

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BodyError) -> Int {
        let piece = rest.prefix(Int.random(in: 1...40, using: &random))
        rest = rest.dropFirst(piece.count)
        buffer.copyBytes(from: piece)
        return piece.count
    }
}

/// A form, read by the reference parser.
private struct ReferenceForm {
    var file: [UInt8]
    var parameters = ReferenceParameters(limits: ParameterLimits())
    var fileIsLast: Bool

    /// Nil if the form cannot be an upload, whatever its parameters are.
    init?(_ body: [UInt8], query: String) {
        let (parts, isValid) = ReferenceParser(body, boundary: "b").parse()
        let files = parts.filter { $0.name == Array("file".utf8) }
        guard isValid, files.count == 1,
            let pairs = referenceQuery(Array(query.utf8), maximumCount: parameters.limits.count)
        else { return nil }
        file = files[0].data
        fileIsLast = parts.last == files[0]
        for pair in pairs {
            guard parameters.add(pair.name.text, pair.value, toFields: false) else { return nil }
        }
        for part in parts {
            guard String(validating: part.name, as: UTF8.self) != nil else { return nil }
            if part.name == Array("file".utf8) || part.filename != nil { continue }
            guard String(validating: part.data, as: UTF8.self) != nil,
                parameters.add(String(decoding: part.name, as: UTF8.self), Bytes(part.data), toFields: true)
            else { return nil }
        }
    }

    /// True if the client states a digest, which the service checks and this type doesn't.
    var isDigested: Bool { parameters.all["resumableChunkDigest"] != nil }

    /// The request; nil if it is invalid or the file's length is wrong for it.
    var request: ReferenceRequest? {
        let request = ReferenceRequest(
            parameters.all, isTest: false, maximumFileSize: maximumFileSize, usesPath: false)
        guard let request, let sizes = request.sizes else { return request }
        return sizes.lengths.contains(UInt64(file.count)) ? request : nil
    }
}
