import Linux
package import S3
import Synchronization

/// A bucket of a real engine. Its calls go to the endpoints in turn.
package final class S3Bucket: ObjectBucket {
    private let buckets: [Bucket]
    private let kind: ChecksumKind
    /// Whether a completion can be told not to replace an object.
    private let completesIfAbsent: Bool
    private let turn = Atomic(0)

    /// - Parameters:
    ///   - buckets: one for each endpoint of the same bucket. Not empty.
    ///   - checksum: the kind that the engine compares (`EngineTest.checksum`).
    ///   - completesIfAbsent: true if the engine has `EngineAbility.completion`.
    package init(_ buckets: [Bucket], checksum: ChecksumKind, completesIfAbsent: Bool) {
        self.buckets = buckets
        kind = checksum
        self.completesIfAbsent = completesIfAbsent
    }

    private var bucket: Bucket {
        buckets[turn.wrappingAdd(1, ordering: .relaxed).newValue & Int.max % buckets.count]
    }

    package var checksum: ChecksumKind? { kind }

    /// The checksum of a payload, which is read for it if it does not know it.
    private func checksum(of payload: any Payload) throws(S3Error) -> Checksum {
        if let known = payload.checksum(kind) { return known }
        let hasher = ChecksumHasher(kind)
        do throws(PayloadError) { try payload.visit { hasher.update($0) } } catch { throw .payload(error) }
        return hasher.finish()
    }

    package func list(_ prefix: String, next: String?) throws(S3Error) -> ListPage {
        try bucket.list(prefix: prefix, next: next)
    }

    package func put(
        _ key: String, _ payload: any Payload, metadata: [String: String], ifAbsent: Bool
    ) throws(S3Error) {
        _ = try bucket.put(
            key, payload, checksum: try checksum(of: payload), metadata: metadata, ifAbsent: ifAbsent)
    }

    package func create(_ key: String, _ body: [UInt8]) throws(S3Error) -> Creation {
        try bucket.create(key, body, checksum: kind)
    }

    package func get(_ key: String) throws(S3Error) -> [UInt8] { try bucket.get(key, atMost: 8 << 20) }

    package func get(
        _ key: String, range: Range<UInt64>,
        _ take: @escaping (_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Bool
    ) throws(S3Error) {
        try bucket.get(key, range: range, take)
    }

    package func head(_ key: String) throws(S3Error) -> ObjectHead { try bucket.head(key) }

    package func delete(_ keys: [String]) throws(S3Error) {
        if keys.count == 1 { try bucket.delete(keys[0]) } else { try bucket.delete(keys) }
    }

    package func createMultipart(_ key: String, metadata: [String: String]) throws(S3Error) -> String {
        try bucket.createMultipart(key, checksum: kind, metadata: metadata)
    }

    package func putPart(
        _ key: String, upload: String, number: Int, _ payload: any Payload
    ) throws(S3Error) -> String {
        try bucket.putPart(key, upload: upload, number: number, payload, checksum: try checksum(of: payload))
    }

    package func parts(_ key: String, upload: String, after: Int) throws(S3Error) -> PartsPage {
        try bucket.parts(key, upload: upload, after: after)
    }

    package func completeMultipart(
        _ key: String, upload: String, parts: [(number: Int, etag: String)], ifAbsent: Bool
    ) throws(S3Error) {
        try bucket.completeMultipart(key, upload: upload, parts: parts, ifAbsent: ifAbsent && completesIfAbsent)
    }

    package func abortMultipart(_ key: String, upload: String) throws(S3Error) {
        try bucket.abortMultipart(key, upload: upload)
    }

    package func openMultiparts(_ prefix: String) throws(S3Error) -> [OpenMultipart] {
        try bucket.openMultiparts(prefix: prefix)
    }
}

extension Payload {
    /// Passes all bytes on.
    func visit(_ take: (UnsafeRawBufferPointer) -> Void) throws(PayloadError) {
        try withCopyBuffer { buffer throws(PayloadError) in
            var offset: UInt64 = 0
            while offset < length {
                let count = try read(into: buffer, at: offset)
                guard count > 0 else { throw PayloadError("it is shorter than announced") }
                take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                offset += UInt64(count)
            }
        }
    }
}
