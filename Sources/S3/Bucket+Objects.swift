/// The properties of an object besides its bytes.
package struct ObjectHead: Sendable, Equatable {
    package var size: UInt64
    /// Not in quotes. It is an MD5 for some engines and some objects only.
    package var etag: String
    /// By name without `x-amz-meta-`, in lower case.
    package var metadata: [String: String]
    /// Unix seconds; nil if the engine does not tell.
    package var modified: UInt64?
}

/// The answer to a PUT.
package struct Stored: Sendable, Equatable {
    /// Not in quotes.
    package var etag: String
    /// Nil if the bucket keeps no versions.
    package var version: String?
    /// The engine's time, in Unix seconds; nil if it does not tell.
    package var date: UInt64?
}

/// The outcome of an attempt to be the first to put an object.
package enum Creation: Sendable, Equatable {
    case created
    /// Another one was first. Its object's body; nil if the object has been deleted since.
    case exists([UInt8]?)
}

extension Bucket {
    /// Puts an object. Its type is `application/octet-stream`, so that no browser executes what a client has sent.
    ///
    /// - Parameters:
    ///   - checksum: that of the payload. The engine is asked to compare it.
    ///   - metadata: values in ASCII, by name.
    ///   - ifAbsent: fails with `S3Error.exists` if there is an object under the key. If the answer to an earlier try
    ///     was lost, that object may be the one of this call.
    package func put(
        _ key: String, _ payload: any Payload, checksum: Checksum, metadata: [String: String] = [:],
        ifAbsent: Bool = false
    ) throws(S3Error) -> Stored {
        var call = Call("PutObject", "PUT", key: key)
        call.headers = Bucket.headers(metadata) + [Header("content-type", "application/octet-stream")]
        if let header = checksum.header { call.headers.append(header) }
        if ifAbsent { call.headers.append(Header("if-none-match", "*")) }
        call.payload = payload
        call.hash = checksum.signedHash
        return try perform(call) { answer in
            // Without an ETag it is not an engine that has answered.
            guard let etag = answer["etag"] else { return nil }
            return Stored(
                etag: unquoted(etag),
                version: answer["x-amz-version-id"].flatMap { $0 == "null" ? nil : $0 },
                date: answer["date"].flatMap(Timestamp.parseHTTP))
        }
    }

    /// Puts a small object that nothing replaces: of all that try at the same time, one succeeds.
    ///
    /// - Parameter body: must contain something that no other caller's body has. If the answer to a successful try was
    ///   lost, the next try finds the object there, and only its body tells that it is this call's own.
    package func create(_ key: String, _ body: [UInt8], checksum: ChecksumKind) throws(S3Error) -> Creation {
        do throws(S3Error) {
            _ = try put(key, body, checksum: Checksum(checksum, of: body), ifAbsent: true)
            return .created
        } catch {
            guard case .exists = error else { throw error }
        }
        do throws(S3Error) {
            let found = try get(key, atMost: 8 << 20)
            return found == body ? .created : .exists(found)
        } catch {
            guard case .noSuchKey = error else { throw error }
            return .exists(nil)
        }
    }

    /// Returns the bytes of an object that has at most `limit` bytes.
    package func get(_ key: String, atMost limit: Int) throws(S3Error) -> [UInt8] {
        var call = Call("GetObject", "GET", key: key)
        call.bodyLimit = limit
        return try perform(call) { answer in
            let isWhole = answer["content-length"].flatMap { Int($0) } == answer.body.count
            return isWhole && answer["etag"] != nil ? answer.body : nil
        }
    }

    /// Passes a range of an object's bytes on.
    ///
    /// - Parameters:
    ///   - range: must lie inside of the object and not be empty.
    ///   - take: takes bytes, and their offset from the start of the range. If it returns false, the call fails. It may
    ///     be called again from the start, because a broken call is repeated.
    package func get(
        _ key: String, range: Range<UInt64>,
        _ take: @escaping (_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Bool
    ) throws(S3Error) {
        var call = Call("GetObject", "GET", key: key)
        call.headers = [Header("range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)")]
        var taken: UInt64 = 0
        call.sink = { offset, bytes in
            taken = offset + UInt64(bytes.count)
            return taken <= UInt64(range.count) && take(offset, bytes)
        }
        do throws(S3Error) {
            try perform(call) { answer in answer.status == 206 && taken == UInt64(range.count) ? () : nil }
        } catch {
            guard taken > UInt64(range.count) else { throw error }
            throw .refused(call.cause(message: "the engine sends more than the range"))
        }
    }

    package func head(_ key: String) throws(S3Error) -> ObjectHead {
        try perform(Call("HeadObject", "HEAD", key: key)) { answer in
            guard let size = answer["content-length"].flatMap({ UInt64($0) }), let etag = answer["etag"] else {
                return nil
            }
            let prefix = "x-amz-meta-"
            let metadata = answer.headers.filter { $0.name.hasPrefix(prefix) }
                .map { (String($0.name.dropFirst(prefix.count)), $0.value) }
            return ObjectHead(
                size: size, etag: unquoted(etag),
                metadata: Dictionary(metadata, uniquingKeysWith: { first, _ in first }),
                modified: answer["last-modified"].flatMap(Timestamp.parseHTTP))
        }
    }

    /// Deletes an object. Succeeds if there is none.
    package func delete(_ key: String) throws(S3Error) {
        do throws(S3Error) {
            try perform(Call("DeleteObject", "DELETE", key: key)) { _ in () }
        } catch {
            guard case .noSuchKey = error else { throw error }
        }
    }

    /// Deletes objects, a thousand with each call. Those that are not there are no error.
    ///
    /// - Throws: `S3Error` for the first key that the engine does not delete. Others may have been deleted.
    package func delete(_ keys: [String]) throws(S3Error) {
        var rest = keys[...]
        while !rest.isEmpty {
            let batch = rest.prefix(1000)
            rest = rest.dropFirst(1000)
            let objects = batch.map { "<Object><Key>\(XMLElement.escape($0))</Key></Object>" }.joined()
            let body = Array("<Delete><Quiet>true</Quiet>\(objects)</Delete>".utf8)
            var call = Call("DeleteObjects", "POST").with(body: body)
            call.query = [("delete", "")]
            // S3 requires a checksum here, and this one is known to every engine.
            call.headers = [Header("content-type", "application/xml")]
            if let header = Checksum(.md5, of: body).header { call.headers.append(header) }
            let failed = try perform(call) { answer in
                XMLElement.parse(answer.body).flatMap { $0.name == "DeleteResult" ? $0.all("Error") : nil }
            }
            if let first = failed.first(where: { $0["Code"] != "NoSuchKey" }) {
                throw .refused(
                    S3Cause(
                        operation: call.operation, key: first["Key"].map(printable), status: 200,
                        code: printable(first["Code"] ?? ""), message: printable(first["Message"] ?? "")))
            }
        }
    }

    static func headers(_ metadata: [String: String]) -> [Header] {
        metadata.map { Header("x-amz-meta-\($0.key.lowercased())", $0.value) }
    }
}

/// An ETag without its quotes.
func unquoted(_ etag: String) -> String {
    etag.count >= 2 && etag.hasPrefix("\"") && etag.hasSuffix("\"") ? String(etag.dropFirst().dropLast()) : etag
}
