extension EngineTest {
    /// The tests of multipart uploads, and of what the bucket does by itself.
    func testMultiparts() {
        // Without an enforced checksum the engine has been found wanting. The other tests still tell something.
        let kind = checksum ?? .md5
        var head: ObjectHead?
        test(.multipart) { () throws(S3Error) in
            try multipartsFail(kind, &head)
        }
        test(.metadata) { () throws(S3Error) in
            let object = folder + "metadata"
            _ = try first.put(object, [1], checksum: Checksum(kind, of: [1]), metadata: EngineTest.metadata)
            guard try first.head(object).metadata == EngineTest.metadata else {
                return "the metadata of an object is not what was stated"
            }
            guard let head, head.metadata != EngineTest.metadata else { return nil }
            return "the metadata of an object that was made of parts is not what was stated"
        }
        test(.abortion) { () throws(S3Error) in try abortedTakesParts(kind) }
        test(.completion) { () throws(S3Error) in try completionReplaces(kind) }
        test(.lifecycle, rulesAreShort)
    }

    private static let metadata = ["resumabled": "probe.0001"]

    private func multipartsFail(_ kind: ChecksumKind, _ head: inout ObjectHead?) throws(S3Error) -> String? {
        let key = folder + "multipart"
        let body = Array("the only part".utf8)
        let upload = try first.createMultipart(key, checksum: kind, metadata: EngineTest.metadata)
        for bucket in buckets {
            guard try bucket.parts(key, upload: upload).parts.isEmpty else {
                return "a new multipart upload has parts\(at(bucket))"
            }
        }
        let etag = try first.putPart(key, upload: upload, number: 1, body, checksum: Checksum(kind, of: body))
        for bucket in buckets {
            let listed = try bucket.parts(key, upload: upload, limit: 1).parts
            guard listed.map(\.number) == [1], listed[0].size == body.count, listed[0].etag == etag else {
                return "a part that was put is not listed\(at(bucket))"
            }
        }
        guard try first.openMultiparts(prefix: folder).contains(where: { $0.key == key && $0.id == upload }) else {
            return "a multipart upload is not listed"
        }
        guard try bytes(first, key) == nil else { return "there is an object before its parts are complete" }
        do throws(S3Error) {
            try first.completeMultipart(key, upload: upload, parts: [(1, etag)])
        } catch {
            // The answer to an earlier try may have been lost. The object tells.
            guard case .noSuchUpload = error else { throw error }
        }
        for bucket in buckets {
            guard try bytes(bucket, key) == body else { return "the object has other bytes than its part\(at(bucket))" }
        }
        head = try first.head(key)
        return nil
    }

    private func abortedTakesParts(_ kind: ChecksumKind) throws(S3Error) -> String? {
        let key = folder + "abortion"
        let upload = try first.createMultipart(key, checksum: kind)
        try first.abortMultipart(key, upload: upload)
        for bucket in buckets {
            do throws(S3Error) {
                _ = try bucket.putPart(key, upload: upload, number: 1, [1], checksum: Checksum(kind, of: [1]))
                return "an aborted multipart upload takes parts\(at(bucket))"
            } catch {
                guard case .noSuchUpload = error else { throw error }
            }
            do throws(S3Error) {
                _ = try bucket.parts(key, upload: upload)
                return "the parts of an aborted multipart upload are listed\(at(bucket))"
            } catch {
                guard case .noSuchUpload = error else { throw error }
            }
        }
        return nil
    }

    private func completionReplaces(_ kind: ChecksumKind) throws(S3Error) -> String? {
        let key = folder + "completion"
        _ = try first.put(key, [1], checksum: Checksum(kind, of: [1]))
        let upload = try first.createMultipart(key, checksum: kind)
        let etag = try first.putPart(key, upload: upload, number: 1, [2], checksum: Checksum(kind, of: [2]))
        do throws(S3Error) {
            try first.completeMultipart(key, upload: upload, parts: [(1, etag)], ifAbsent: true)
            return "If-None-Match is ignored when a multipart upload is completed"
        } catch {
            guard case .exists = error else { throw error }
        }
        return try bytes(first, key) == [1] ? nil : "completing was refused with 412, but replaced the object"
    }

    private func rulesAreShort() throws(S3Error) -> String? {
        let state = prefix + EngineTest.stateFolder
        let needed = expire == 0 ? UInt64.max : expire + 86_400
        for rule in try first.lifecycle() {
            // A rule for anything below the prefix concerns finished files, which have the same multipart uploads.
            let isOurs = rule.prefix.hasPrefix(prefix) || prefix.hasPrefix(rule.prefix)
            if isOurs, let days = rule.daysToAbort, UInt64(days) * 86_400 < needed {
                return "a rule aborts multipart uploads after \(days) days"
            }
            let isState = rule.prefix.hasPrefix(state) || state.hasPrefix(rule.prefix)
            if isState, let days = rule.daysToExpire, UInt64(days) * 86_400 < needed {
                return "a rule removes objects after \(days) days, and with them the state of uploads"
            }
        }
        return nil
    }
}
