package import S3

/// The calls that the object store makes. `S3Bucket` makes them to an engine; a test has a bucket in memory.
///
/// Every call may be made again if its answer was lost. The object store relies on these properties, which
/// `EngineTest` checks: a listing shows every object that was put before it began and none that was deleted before; of
/// those who `create` a key, one succeeds; a part is put whole or not at all.
package protocol ObjectBucket: Sendable {
    /// The checksum that is needed of every payload; nil if none is.
    var checksum: ChecksumKind? { get }
    /// Lists objects, a page at a time.
    func list(_ prefix: String, next: String?) throws(S3Error) -> ListPage
    /// Puts an object.
    ///
    /// - Parameter ifAbsent: fails with `S3Error.exists` if there is an object under the key. If the answer to an
    ///   earlier try was lost, that object may be the one of this call.
    func put(
        _ key: String, _ payload: any Payload, metadata: [String: String], ifAbsent: Bool
    ) throws(S3Error)
    /// Puts a small object that nothing replaces: of all that try at the same time, one succeeds. The bodies of two
    /// that try differ.
    func create(_ key: String, _ body: [UInt8]) throws(S3Error) -> Creation
    /// Returns the bytes of a small object.
    func get(_ key: String) throws(S3Error) -> [UInt8]
    /// Passes a range of an object's bytes on, perhaps more than once from its start.
    func get(
        _ key: String, range: Range<UInt64>,
        _ take: @escaping (_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Bool
    ) throws(S3Error)
    func head(_ key: String) throws(S3Error) -> ObjectHead
    /// Deletes objects. Those that are not there are no error.
    func delete(_ keys: [String]) throws(S3Error)
    /// Begins a multipart upload. Returns its id.
    func createMultipart(_ key: String, metadata: [String: String]) throws(S3Error) -> String
    /// Puts a part, in place of an earlier one with this number. Returns its ETag.
    func putPart(
        _ key: String, upload: String, number: Int, _ payload: any Payload
    ) throws(S3Error) -> String
    /// Lists parts, a page at a time.
    ///
    /// - Parameter after: the number of the last part that is not wanted; 0 for all.
    func parts(_ key: String, upload: String, after: Int) throws(S3Error) -> PartsPage
    /// Makes an object of the parts.
    ///
    /// - Parameter ifAbsent: fails with `S3Error.exists` if there is an object under the key, on engines that can.
    /// - Throws: `S3Error.invalidPart` if a part was replaced, on engines that compare ETags. The others use the part
    ///   that was named.
    func completeMultipart(
        _ key: String, upload: String, parts: [(number: Int, etag: String)], ifAbsent: Bool
    ) throws(S3Error)
    /// Removes a multipart upload and its parts. Succeeds if there is none.
    func abortMultipart(_ key: String, upload: String) throws(S3Error)
    /// Returns up to 1,000 multipart uploads.
    func openMultiparts(_ prefix: String) throws(S3Error) -> [OpenMultipart]
}

extension ObjectBucket {
    /// Lists all objects below a prefix.
    func listAll(_ prefix: String) throws(S3Error) -> [ListedObject] {
        var objects: [ListedObject] = []
        try visit(prefix) { objects += $0 }
        return objects
    }

    /// Passes the pages of a listing on.
    func visit(_ prefix: String, _ take: ([ListedObject]) -> Void) throws(S3Error) {
        var next: String?
        repeat {
            let page = try list(prefix, next: next)
            take(page.objects)
            next = page.next
        } while next != nil
    }

    /// Returns the bytes of a small object; nil if there is none.
    func body(of key: String) throws(S3Error) -> [UInt8]? {
        do throws(S3Error) { return try get(key) } catch {
            guard case .noSuchKey = error else { throw error }
            return nil
        }
    }

    /// The properties of an object; nil if there is none.
    func find(_ key: String) throws(S3Error) -> ObjectHead? {
        do throws(S3Error) { return try head(key) } catch {
            guard case .noSuchKey = error else { throw error }
            return nil
        }
    }
}
