import Linux
import UploadStore

@testable import ObjectStore
@testable import S3

/// A bucket in memory, which keeps what `ObjectBucket` promises and no more. Hosts reach it through `MemoryBucket`s.
final class MemoryEngine: Sendable {
    struct Object {
        let body: [UInt8]
        let metadata: [String: String]
        /// In Unix seconds.
        let modified: UInt64
        let etag: String

        init(body: [UInt8], metadata: [String: String], modified: UInt64) {
            self.body = body
            self.metadata = metadata
            self.modified = modified
            etag = MemoryEngine.etag(body)
        }
    }

    struct Multipart {
        let key: String
        let metadata: [String: String]
        let begun: UInt64
        /// All versions of the parts, by number, the newest last.
        var parts: [Int: [[UInt8]]] = [:]
    }

    struct Contents {
        var objects: [String: Object] = [:]
        var multiparts: [String: Multipart] = [:]
        /// How many multipart uploads there were.
        var count = 0
        /// How many calls of each kind there were.
        var calls: [String: Int] = [:]
    }

    /// True for an engine that completes with any version of a part that it was given, as SeaweedFS does. S3 knows the
    /// newest version only.
    let keepsReplacedParts: Bool
    /// How many objects are on a page of a listing.
    let page: Int
    let now: @Sendable () -> UInt64
    let contents = Lock(Contents())

    init(keepsReplacedParts: Bool = false, page: Int = 1000, now: @escaping @Sendable () -> UInt64) {
        self.keepsReplacedParts = keepsReplacedParts
        self.page = page
        self.now = now
    }

    static func etag(_ body: [UInt8]) -> String { String(sha256Hex(body).prefix(32)) }

    var keys: [String] { contents.withLock { $0.objects.keys.sorted() } }

    func body(_ key: String) -> [UInt8]? { contents.withLock { $0.objects[key]?.body } }
}

/// A host's access to a bucket in memory.
final class MemoryBucket: ObjectBucket {
    let engine: MemoryEngine
    var checksum: ChecksumKind? { nil }
    /// Is called in front of every call, with a closure that makes it. It may make it, repeat it, fail, or wait.
    private let step: @Sendable (String, () -> S3Error?) throws(S3Error) -> Void

    init(
        _ engine: MemoryEngine,
        step: @escaping @Sendable (String, () -> S3Error?) throws(S3Error) -> Void = { _, call throws(S3Error) in
            if let error = call() { throw error }
        }
    ) {
        self.engine = engine
        self.step = step
    }

    private func call<Result>(
        _ name: String, _ work: (inout MemoryEngine.Contents) throws(S3Error) -> Result
    ) throws(S3Error) -> Result {
        var result: Result?
        try step(name) {
            do throws(S3Error) {
                result = try engine.contents.withLock { contents throws(S3Error) in
                    contents.calls[name, default: 0] += 1
                    return try work(&contents)
                }
                return nil
            } catch { return error }
        }
        guard let result else { throw .unreachable(S3Cause(operation: name, message: "no answer")) }
        return result
    }

    private func bytes(of payload: any Payload) throws(S3Error) -> [UInt8] {
        var bytes: [UInt8] = []
        do throws(PayloadError) { try payload.visit { bytes += $0 } } catch { throw .payload(error) }
        return bytes
    }

    private func missing(_ operation: String, _ key: String) -> S3Error {
        .noSuchKey(S3Cause(operation: operation, key: key, status: 404))
    }

    func list(_ prefix: String, next: String?) throws(S3Error) -> ListPage {
        try call("LIST") { contents in
            let keys = contents.objects.keys.filter { $0.utf8.starts(with: prefix.utf8) && $0 > next ?? "" }.sorted()
            let objects = keys.prefix(engine.page).compactMap { key in
                contents.objects[key].map {
                    ListedObject(key: key, size: UInt64($0.body.count), etag: $0.etag, modified: $0.modified)
                }
            }
            return ListPage(objects: objects, next: keys.count > engine.page ? objects.last?.key : nil)
        }
    }

    func put(
        _ key: String, _ payload: any Payload, metadata: [String: String], ifAbsent: Bool
    ) throws(S3Error) {
        let body = try bytes(of: payload)
        try call("PUT") { contents throws(S3Error) in
            if ifAbsent && contents.objects[key] != nil { throw .exists(S3Cause(operation: "PUT", key: key)) }
            contents.objects[key] = MemoryEngine.Object(body: body, metadata: metadata, modified: engine.now())
        }
    }

    func create(_ key: String, _ body: [UInt8]) throws(S3Error) -> Creation {
        try call("CREATE") { contents in
            if let other = contents.objects[key]?.body { return other == body ? .created : .exists(other) }
            contents.objects[key] = MemoryEngine.Object(body: body, metadata: [:], modified: engine.now())
            return .created
        }
    }

    func get(_ key: String) throws(S3Error) -> [UInt8] {
        try call("GET") { contents throws(S3Error) in
            guard let object = contents.objects[key] else { throw missing("GET", key) }
            return object.body
        }
    }

    func get(
        _ key: String, range: Range<UInt64>, _ take: @escaping (UInt64, UnsafeRawBufferPointer) -> Bool
    ) throws(S3Error) {
        let body = try get(key)
        guard range.upperBound <= body.count, !range.isEmpty else {
            throw .refused(S3Cause(operation: "GET", key: key, status: 416))
        }
        let isTaken = body[Int(range.lowerBound)..<Int(range.upperBound)].withBytes { take(0, $0) }
        if !isTaken { throw .payload(PayloadError("the answer cannot be kept")) }
    }

    func head(_ key: String) throws(S3Error) -> ObjectHead {
        try call("HEAD") { contents throws(S3Error) in
            guard let object = contents.objects[key] else { throw missing("HEAD", key) }
            return ObjectHead(
                size: UInt64(object.body.count), etag: object.etag, metadata: object.metadata,
                modified: object.modified)
        }
    }

    func delete(_ keys: [String]) throws(S3Error) {
        try call("DELETE") { contents in for key in keys { contents.objects[key] = nil } }
    }

    func createMultipart(_ key: String, metadata: [String: String]) throws(S3Error) -> String {
        try call("INITIATE") { contents in
            contents.count += 1
            let id = "multipart-\(contents.count)"
            contents.multiparts[id] = MemoryEngine.Multipart(key: key, metadata: metadata, begun: engine.now())
            return id
        }
    }

    func putPart(_ key: String, upload: String, number: Int, _ payload: any Payload) throws(S3Error) -> String {
        let body = try bytes(of: payload)
        return try call("PART") { contents throws(S3Error) in
            guard contents.multiparts[upload]?.key == key else {
                throw .noSuchUpload(S3Cause(operation: "PART", key: key))
            }
            contents.multiparts[upload]?.parts[number, default: []].append(body)
            return MemoryEngine.etag(body)
        }
    }

    func parts(_ key: String, upload: String, after: Int) throws(S3Error) -> PartsPage {
        try call("PARTS") { contents throws(S3Error) in
            guard let multipart = contents.multiparts[upload], multipart.key == key else {
                throw .noSuchUpload(S3Cause(operation: "PARTS", key: key))
            }
            let parts = multipart.parts.filter { $0.key > after }.sorted { $0.key < $1.key }.compactMap { part in
                part.value.last.map {
                    ListedPart(
                        number: part.key, size: UInt64($0.count), etag: MemoryEngine.etag($0), modified: engine.now())
                }
            }
            let page = parts.prefix(engine.page)
            return PartsPage(parts: Array(page), next: parts.count > engine.page ? page.last?.number : nil)
        }
    }

    func completeMultipart(
        _ key: String, upload: String, parts: [(number: Int, etag: String)], ifAbsent: Bool
    ) throws(S3Error) {
        try call("COMPLETE") { contents throws(S3Error) in
            guard let multipart = contents.multiparts[upload], multipart.key == key else {
                throw .noSuchUpload(S3Cause(operation: "COMPLETE", key: key))
            }
            if ifAbsent && contents.objects[key] != nil { throw .exists(S3Cause(operation: "COMPLETE", key: key)) }
            var body: [UInt8] = []
            for (number, etag) in parts {
                let versions = multipart.parts[number] ?? []
                let known = engine.keepsReplacedParts ? versions : Array(versions.suffix(1))
                guard let part = known.last(where: { MemoryEngine.etag($0) == etag }) else {
                    throw .invalidPart(S3Cause(operation: "COMPLETE", key: key))
                }
                // The first part that is not the last one decides how long a part has to be: all are equal.
                body += part
            }
            contents.objects[key] = MemoryEngine.Object(
                body: body, metadata: multipart.metadata, modified: engine.now())
            contents.multiparts[upload] = nil
        }
    }

    func abortMultipart(_ key: String, upload: String) throws(S3Error) {
        try call("ABORT") { $0.multiparts[upload] = nil }
    }

    func openMultiparts(_ prefix: String) throws(S3Error) -> [OpenMultipart] {
        try call("MULTIPARTS") { contents in
            contents.multiparts.filter { $0.value.key.hasPrefix(prefix) }.map {
                OpenMultipart(key: $0.value.key, id: $0.key, begun: $0.value.begun)
            }.sorted { $0.id < $1.id }
        }
    }
}
