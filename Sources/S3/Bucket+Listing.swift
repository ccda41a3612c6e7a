/// An object in a listing.
package struct ListedObject: Sendable, Equatable {
    package var key: String
    package var size: UInt64
    /// Not in quotes.
    package var etag: String
    /// Unix seconds; nil if the engine does not tell.
    package var modified: UInt64?

    package init(key: String, size: UInt64, etag: String, modified: UInt64?) {
        self.key = key
        self.size = size
        self.etag = etag
        self.modified = modified
    }
}

/// A part of a listing.
package struct ListPage: Sendable, Equatable {
    package var objects: [ListedObject]
    /// Where the next page begins; nil on the last page.
    package var next: String?
}

extension Bucket {
    /// Lists objects, each once. S3 orders them by the bytes of their keys, and SeaweedFS orders each folder by itself.
    ///
    /// - Parameters:
    ///   - next: from the page before; nil for the first page.
    ///   - limit: 1 to 1,000 objects.
    package func list(
        prefix: String, next: String? = nil, limit: Int = 1000
    ) throws(S3Error) -> ListPage {
        var call = Call("ListObjectsV2", "GET")
        call.subject = prefix
        // Some keys cannot be written in XML, but all can be percent-encoded.
        call.query = [
            ("list-type", "2"), ("prefix", prefix), ("max-keys", String(limit)), ("encoding-type", "url"),
        ]
        if let next { call.query.append(("continuation-token", next)) }
        return try perform(call) { answer in
            guard let root = XMLElement.parse(answer.body), root.name == "ListBucketResult" else { return nil }
            let isEncoded = root["EncodingType"] == "url"
            var page = ListPage(objects: [], next: nil)
            for entry in root.all("Contents") {
                guard let key = entry["Key"].flatMap({ isEncoded ? PercentEncoding.decode($0) : $0 }),
                    let size = entry["Size"].flatMap({ UInt64($0) })
                else { return nil }
                page.objects.append(
                    ListedObject(
                        key: key, size: size, etag: unquoted(entry["ETag"] ?? ""),
                        modified: entry["LastModified"].flatMap(Timestamp.parseISO)))
            }
            if root["IsTruncated"] == "true" {
                guard let token = root["NextContinuationToken"], !token.isEmpty else { return nil }
                page.next = token
            }
            return page
        }
    }
}
