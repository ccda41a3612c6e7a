import Linux

extension EngineTest {
    /// The tests of objects that are put in one call, and of deleting them.
    func testObjects() {
        testFirstPut()
        test(.consistency) { () throws(S3Error) in
            for (index, bucket) in buckets.enumerated() {
                if let cause = try inconsistency(of: "\(folder)seen/\(index)", written: bucket) { return cause }
            }
            return nil
        }
        test(.keys, keysChanged)
        test(.missing, missingIsHidden)
        test(.ranges, rangesAreIgnored)
        test(.deletion, deletionFails)
        test(.creation, creationReplaces)
        test(.races, racesHaveSeveralWinners)
        test(.checksum, detail: { self.checksum?.rawValue }, checksumsAreIgnored)
    }

    /// Any checksum is good enough for the tests before that of the checksums.
    private func put(_ bucket: Bucket, _ key: String, _ body: [UInt8]) throws(S3Error) -> Stored {
        try bucket.put(key, body, checksum: Checksum(.md5, of: body))
    }

    /// The first answer to a PUT tells two things besides.
    private func testFirstPut() {
        var stored: Stored?
        var failure: S3Error?
        do throws(S3Error) { stored = try put(first, folder + "first", [1]) } catch { failure = error }
        let told = stored?.date
        let here = now()
        test(.clock) { () throws(S3Error) in
            if let failure { throw failure }
            guard let told else { return nil }
            let apart = max(told, here) - min(told, here)
            return apart > EngineTest.clockTolerance ? "the clocks are \(apart) seconds apart" : nil
        }
        test(.versions) { () throws(S3Error) in
            stored?.version == nil ? nil : "the bucket keeps old versions of objects"
        }
    }

    private func inconsistency(of key: String, written writer: Bucket) throws(S3Error) -> String? {
        for body in [Array("first".utf8), Array("another".utf8)] {
            _ = try put(writer, key, body)
            for reader in buckets {
                let found = try bytes(reader, key)
                guard found == body else { return "after a PUT, GET does not return the new object\(at(reader))" }
                guard try reader.head(key).size == body.count else {
                    return "after a PUT, HEAD does not have the new object\(at(reader))"
                }
                guard try reader.list(prefix: key).objects.map(\.size) == [UInt64(body.count)] else {
                    return "after a PUT, a listing does not have the new object\(at(reader))"
                }
            }
        }
        try writer.delete(key)
        for reader in buckets {
            guard try bytes(reader, key) == nil else { return "a deleted object is still there\(at(reader))" }
            guard try reader.list(prefix: key).objects.isEmpty else {
                return "a listing still has a deleted object\(at(reader))"
            }
        }
        return nil
    }

    private func keysChanged() throws(S3Error) -> String? {
        let key = folder + "keys/ü b+c&d=e (1)~'!*资料.txt"
        _ = try put(first, key, [1])
        guard try bytes(first, key) == [1] else { return "an object with spaces and signs in its key is not found" }
        let listed = try first.list(prefix: folder + "keys/").objects.map(\.key)
        guard listed == [key] else { return "the listed key is not the one of the object" }
        try first.delete(key)
        return nil
    }

    private func missingIsHidden() throws(S3Error) -> String? {
        for bucket in buckets {
            do throws(S3Error) {
                _ = try bucket.head(folder + "missing")
                return "an object that was never put is there\(at(bucket))"
            } catch {
                switch error {
                case .noSuchKey: break
                case .denied(let cause): return "a missing object is answered with \(cause.status)\(at(bucket))"
                default: throw error
                }
            }
        }
        return nil
    }

    private func rangesAreIgnored() throws(S3Error) -> String? {
        let body = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        _ = try put(first, folder + "range", body)
        let found = Lock<[UInt8]>([])
        try first.get(folder + "range", range: 100..<300) { offset, bytes in
            found.withLock { $0 = $0.prefix(Int(offset)) + Array(bytes) }
            return true
        }
        return found.withLock { $0 } == Array(body[100..<300]) ? nil : "a range has other bytes"
    }

    private func deletionFails() throws(S3Error) -> String? {
        let keys = ["a", "b & <c>"].map { folder + "deletion/" + $0 }
        for key in keys { _ = try put(first, key, [1]) }
        try first.delete(keys + [folder + "deletion/missing"])
        return try first.list(prefix: folder + "deletion/").objects.isEmpty ? nil : "deleted objects are still listed"
    }

    private func creationReplaces() throws(S3Error) -> String? {
        let key = folder + "creation"
        // Twice: what was deleted may be created again.
        for round in UInt8(1)...2 {
            guard try first.create(key, [round], checksum: .md5) == .created else {
                return "a new object is refused because of one that is not there"
            }
            for bucket in buckets {
                switch try bucket.create(key, [0], checksum: .md5) {
                case .created: return "a PUT with If-None-Match replaces an object\(at(bucket))"
                case .exists([round]): break
                case .exists: return "the object is another than the one that was put\(at(bucket))"
                }
            }
            try first.delete(key)
        }
        return nil
    }

    /// The number of races, and of clients in each.
    private static let races = 5
    private static let contenders = 8

    /// All races are run at the same time, because an engine may let those who lose one wait for seconds.
    private func racesHaveSeveralWinners() throws(S3Error) -> String? {
        let keys = (0..<EngineTest.races).map { "\(folder)race/\($0)" }
        for (key, results) in contend(for: keys) {
            var winners: [[UInt8]] = []
            for (index, result) in results {
                if try result.get() == .created { winners.append(EngineTest.body(ofContender: index)) }
            }
            guard winners.count == 1 else {
                return "\(winners.count) of \(results.count) clients created the same object at the same time"
            }
            for bucket in buckets {
                guard try bytes(bucket, key) == winners[0] else {
                    return "the object is not that of the client which was told that it created it\(at(bucket))"
                }
            }
        }
        return nil
    }

    private static func body(ofContender index: Int) -> [UInt8] { Array("contender \(index)".utf8) }

    /// Lets all contenders create the same objects at the same time.
    private func contend(for keys: [String]) -> [String: [Int: Result<Creation, S3Error>]] {
        let outcomes = Lock<[String: [Int: Result<Creation, S3Error>]]>([:])
        let isOpen = Monitor(false)
        var threads: [Thread] = []
        for index in 0..<EngineTest.contenders {
            let bucket = buckets[index % buckets.count]
            for key in keys {
                let thread = try? Thread {
                    isOpen.wait { $0 ? () : nil }
                    let result = Result { () throws(S3Error) in
                        try bucket.create(key, EngineTest.body(ofContender: index), checksum: .md5)
                    }
                    outcomes.withLock { $0[key, default: [:]][index] = result }
                }
                // Without threads there are fewer contenders.
                if let thread { threads.append(thread) }
            }
        }
        isOpen.change { $0 = true }
        for thread in threads { thread.join() }
        return outcomes.withLock { $0 }
    }

    private func checksumsAreIgnored() throws(S3Error) -> String? {
        var ignored: [String] = []
        for kind in ChecksumKind.allCases {
            if let cause = try isIgnored(kind) {
                ignored.append("\(kind.rawValue): \(cause)")
            } else {
                checksum = kind
                return nil
            }
        }
        return ignored.joined(separator: "; ")
    }

    /// Why the engine does not enforce this kind; nil if it does, for objects and for parts.
    private func isIgnored(_ kind: ChecksumKind) throws(S3Error) -> String? {
        let body = Array("body".utf8)
        let (right, wrong) = (Checksum(kind, of: body), Checksum(kind, of: Array("other".utf8)))
        let key = "\(folder)checksum/\(kind.rawValue)"
        if try isAccepted({ () throws(S3Error) in _ = try first.put(key, body, checksum: wrong) }) {
            return "a wrong one is accepted for an object"
        }
        guard try bytes(first, key) == nil else { return "an object with a wrong one is refused, but stored" }
        guard try isAccepted({ () throws(S3Error) in _ = try first.put(key, body, checksum: right) }) else {
            return "not supported"
        }
        var upload: String?
        guard try isAccepted({ () throws(S3Error) in upload = try first.createMultipart(key, checksum: kind) }),
            let upload
        else { return "not supported for multipart uploads" }
        let part = { [first] (checksum: Checksum) throws(S3Error) in
            _ = try first.putPart(key, upload: upload, number: 1, body, checksum: checksum)
        }
        if try isAccepted({ () throws(S3Error) in try part(wrong) }) { return "a wrong one is accepted for a part" }
        guard try isAccepted({ () throws(S3Error) in try part(right) }) else { return "not supported for parts" }
        try first.abortMultipart(key, upload: upload)
        return nil
    }

    /// False if the engine does not accept the request for what it has in it.
    private func isAccepted(_ call: () throws(S3Error) -> Void) throws(S3Error) -> Bool {
        do throws(S3Error) {
            try call()
            return true
        } catch {
            switch error {
            case .damaged, .refused: return false
            default: throw error
            }
        }
    }

    /// An object's bytes; nil if there is none.
    func bytes(_ bucket: Bucket, _ key: String) throws(S3Error) -> [UInt8]? {
        do throws(S3Error) { return try bucket.get(key, atMost: 1 << 20) } catch {
            guard case .noSuchKey = error else { throw error }
            return nil
        }
    }

    /// Names the endpoint if there are several.
    func at(_ bucket: Bucket) -> String { buckets.count > 1 ? " at \(bucket.endpoint)" : "" }
}
