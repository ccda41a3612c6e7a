/// A part of a multipart upload, as the engine lists it.
package struct ListedPart: Sendable, Equatable {
    /// From 1.
    package var number: Int
    package var size: UInt64
    /// Not in quotes.
    package var etag: String
    /// Unix seconds; nil if the engine does not tell.
    package var modified: UInt64?
}

/// Some of the parts of a multipart upload.
package struct PartsPage: Sendable, Equatable {
    /// In the order of their numbers. SeaweedFS lists a part that was sent again more than once, in no certain order,
    /// and a page with a low limit may end between them. `modified` tells which is the newest, in whole seconds.
    package var parts: [ListedPart]
    /// The number after which the next page begins; nil on the last page.
    package var next: Int?

    package init(parts: [ListedPart], next: Int?) {
        self.parts = parts
        self.next = next
    }
}

/// A multipart upload that is neither complete nor aborted.
package struct OpenMultipart: Sendable, Equatable {
    package var key: String
    package var id: String
    /// Unix seconds; nil if the engine does not tell.
    package var begun: UInt64?
}

extension Bucket {
    /// Begins a multipart upload.
    ///
    /// - Parameters:
    ///   - checksum: the kind that the parts will have. S3 must know it from the start if it is CRC32C.
    ///   - metadata: that of the object in the end.
    /// - Returns: the upload's id.
    package func createMultipart(
        _ key: String, checksum: ChecksumKind, metadata: [String: String] = [:]
    ) throws(S3Error) -> String {
        var call = Call("CreateMultipartUpload", "POST", key: key).with(body: [])
        call.query = [("uploads", "")]
        call.headers = Bucket.headers(metadata) + [Header("content-type", "application/octet-stream")]
        if checksum == .crc32c {
            // With the other type, COMPOSITE, completing would need the checksum of every part.
            call.headers.append(Header("x-amz-checksum-algorithm", "CRC32C"))
            call.headers.append(Header("x-amz-checksum-type", "FULL_OBJECT"))
        }
        return try perform(call) { answer in
            guard let root = XMLElement.parse(answer.body), root.name == "InitiateMultipartUploadResult" else {
                return nil
            }
            return root["UploadId"].flatMap { $0.isEmpty ? nil : $0 }
        }
    }

    /// Puts a part, in place of an earlier one with this number.
    ///
    /// - Parameters:
    ///   - number: 1 to 10,000.
    ///   - checksum: that of the payload, of the kind that the upload was begun with.
    /// - Returns: the part's ETag, not in quotes.
    package func putPart(
        _ key: String, upload: String, number: Int, _ payload: any Payload, checksum: Checksum
    ) throws(S3Error) -> String {
        var call = Call("UploadPart", "PUT", key: key)
        call.query = [("partNumber", String(number)), ("uploadId", upload)]
        if let header = checksum.header { call.headers.append(header) }
        call.payload = payload
        call.hash = checksum.signedHash
        return try perform(call) { answer in answer["etag"].map(unquoted) }
    }

    /// Lists the parts of a multipart upload.
    ///
    /// - Parameters:
    ///   - after: the number of the last part that is not wanted; 0 for all.
    ///   - limit: 1 to 1,000 parts.
    package func parts(
        _ key: String, upload: String, after: Int = 0, limit: Int = 1000
    ) throws(S3Error) -> PartsPage {
        var call = Call("ListParts", "GET", key: key)
        call.query = [
            ("uploadId", upload), ("part-number-marker", String(after)), ("max-parts", String(limit)),
        ]
        return try perform(call) { answer in
            guard let root = XMLElement.parse(answer.body), root.name == "ListPartsResult" else { return nil }
            var page = PartsPage(parts: [], next: nil)
            for entry in root.all("Part") {
                guard let number = entry["PartNumber"].flatMap({ Int($0) }),
                    let size = entry["Size"].flatMap({ UInt64($0) }), let etag = entry["ETag"]
                else { return nil }
                page.parts.append(
                    ListedPart(
                        number: number, size: size, etag: unquoted(etag),
                        modified: entry["LastModified"].flatMap(Timestamp.parseISO)))
            }
            if root["IsTruncated"] == "true" {
                guard let next = root["NextPartNumberMarker"].flatMap({ Int($0) }), next > after else { return nil }
                page.next = next
            }
            return page
        }
    }

    /// Makes an object of the parts.
    ///
    /// - Parameters:
    ///   - parts: in the order of their numbers.
    ///   - ifAbsent: fails with `S3Error.exists` if there is an object under the key, on engines that can.
    /// - Throws: `S3Error.noSuchUpload` also if an earlier try has succeeded and its answer was lost.
    package func completeMultipart(
        _ key: String, upload: String, parts: [(number: Int, etag: String)], ifAbsent: Bool = false
    ) throws(S3Error) {
        let list = parts.map { part in
            "<Part><PartNumber>\(part.number)</PartNumber><ETag>\"\(XMLElement.escape(part.etag))\"</ETag></Part>"
        }
        let body = "<CompleteMultipartUpload>\(list.joined())</CompleteMultipartUpload>"
        var call = Call("CompleteMultipartUpload", "POST", key: key).with(body: Array(body.utf8))
        call.query = [("uploadId", upload)]
        call.headers = [Header("content-type", "application/xml")]
        if ifAbsent { call.headers.append(Header("if-none-match", "*")) }
        try perform(call) { answer in
            XMLElement.parse(answer.body)?.name == "CompleteMultipartUploadResult" ? () : nil
        }
    }

    /// Removes a multipart upload and its parts. Succeeds if there is none.
    package func abortMultipart(_ key: String, upload: String) throws(S3Error) {
        var call = Call("AbortMultipartUpload", "DELETE", key: key)
        call.query = [("uploadId", upload)]
        do throws(S3Error) {
            try perform(call) { _ in () }
        } catch {
            guard case .noSuchUpload = error else { throw error }
        }
    }

    /// Returns up to 1,000 multipart uploads, in the order of their keys.
    package func openMultiparts(prefix: String) throws(S3Error) -> [OpenMultipart] {
        var call = Call("ListMultipartUploads", "GET")
        call.subject = prefix
        call.query = [("uploads", ""), ("prefix", prefix), ("encoding-type", "url")]
        return try perform(call) { answer in
            guard let root = XMLElement.parse(answer.body), root.name == "ListMultipartUploadsResult" else {
                return nil
            }
            let isEncoded = root["EncodingType"] == "url"
            var uploads: [OpenMultipart] = []
            for entry in root.all("Upload") {
                guard let key = entry["Key"].flatMap({ isEncoded ? PercentEncoding.decode($0) : $0 }),
                    let id = entry["UploadId"]
                else { return nil }
                uploads.append(
                    OpenMultipart(key: key, id: id, begun: entry["Initiated"].flatMap(Timestamp.parseISO)))
            }
            return uploads
        }
    }
}
