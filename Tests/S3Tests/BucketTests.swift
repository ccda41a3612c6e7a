import Glibc
import Linux
import Synchronization
import TestSupport
import Testing

@testable import S3

/// The engine that `Tests/EndToEnd/support/object_store.py` has started, and the fault proxy in front of it.
private enum Engine {
    static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    static let isThere = variable("OBJECTS_ENDPOINT") != nil

    /// The bucket, directly or through the proxy.
    static func bucket(
        throughProxy: Bool = false, secret: String? = nil, name: String? = nil, limits: TimeLimits = TimeLimits()
    ) throws -> Bucket {
        let place = try #require(variable(throughProxy ? "OBJECTS_FAULTS" : "OBJECTS_ENDPOINT"))
        let known = try CredentialSearch(file: nil, variable: variable).find().credentials
        return Bucket(
            try name ?? #require(variable("OBJECTS_BUCKET")), at: try #require(Endpoint(place)), region: "us-east-1",
            credentials: CredentialKeeper(
                secret.map { Credentials(accessKey: known.accessKey, secretKey: $0) } ?? known),
            limits: limits)
    }
}

/// Random bytes that are made while they are read, so that they take no memory.
private struct GeneratedPayload: Payload {
    let length: UInt64
    /// Fails from this offset.
    var failsAt = UInt64.max

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(PayloadError) -> Int {
        if offset >= failsAt { throw PayloadError("the disk is gone") }
        let count = min(buffer.count, Int(clamping: min(length, failsAt) - offset))
        for index in 0..<count { buffer[index] = GeneratedPayload.byte(at: offset + UInt64(index)) }
        return count
    }

    static func byte(at offset: UInt64) -> UInt8 {
        UInt8(truncatingIfNeeded: (offset &* 0x9e37_79b9_7f4a_7c15) >> 56)
    }

    func checksum(_ kind: ChecksumKind) throws(PayloadError) -> Checksum {
        let hasher = ChecksumHasher(kind)
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        var offset: UInt64 = 0
        while offset < length {
            let count = try bytes.withMutableBytes { buffer throws(PayloadError) in try read(into: buffer, at: offset) }
            bytes[..<count].withBytes { hasher.update($0) }
            offset += UInt64(count)
        }
        return hasher.finish()
    }
}

@Suite(
    "A bucket of a real engine", .serialized,
    .enabled(if: Engine.isThere, "Tests/run objects starts an engine"))
struct BucketTests {
    private let bucket: Bucket
    /// No other test has it.
    private let folder = "bucket-tests/\(UInt64.random(in: .min ... .max).hexDigits)/"

    init() throws { bucket = try Engine.bucket() }

    private func put(_ key: String, _ text: String) throws -> Stored {
        let body = Array(text.utf8)
        return try bucket.put(folder + key, body, checksum: Checksum(.crc32c, of: body))
    }

    private func error(_ call: () throws -> Void) -> S3Error? {
        do {
            try call()
            return nil
        } catch { return error as? S3Error }
    }

    // MARK: - Objects

    @Test("a large object is sent and read without being in memory", arguments: ChecksumKind.allCases)
    func large(_ kind: ChecksumKind) throws {
        let payload = GeneratedPayload(length: 5 << 20 | 7)
        let stored = try bucket.put(
            folder + "large", payload, checksum: try payload.checksum(kind), metadata: ["resumabled": "a.1"])
        let head = try bucket.head(folder + "large")
        #expect(head.size == payload.length && head.metadata == ["resumabled": "a.1"])
        #expect(!head.etag.isEmpty && head.etag == stored.etag)
        let hasher = Lock(ChecksumHasher(.sha256))
        try bucket.get(folder + "large", range: 0..<payload.length) { _, bytes in
            hasher.withLock { $0.update(bytes) }
            return true
        }
        #expect(hasher.withLock { $0.finish() } == (try payload.checksum(.sha256)))
    }

    @Test("an empty object is an object")
    func empty() throws {
        _ = try put("empty", "")
        #expect(try bucket.get(folder + "empty", atMost: 0) == [])
        #expect(try bucket.head(folder + "empty").size == 0)
    }

    @Test("an object that is not there, or not allowed, is an error with its cause")
    func errors() throws {
        guard case .noSuchKey(let cause) = error({ _ = try bucket.get(folder + "none", atMost: 10) }) else {
            Issue.record("not noSuchKey")
            return
        }
        #expect(cause.operation == "GetObject" && cause.key == folder + "none" && cause.status == 404)
        #expect(cause.code == "NoSuchKey" && cause.request != nil && cause.tries == 1)
        guard case .noSuchKey = error({ _ = try bucket.head(folder + "none") }) else {
            Issue.record("not noSuchKey")
            return
        }
        let others = [try Engine.bucket(secret: "wrong"), try Engine.bucket(name: "no-such-bucket")]
        for (other, code) in zip(others, ["SignatureDoesNotMatch", "NoSuchBucket"]) {
            let error = error { _ = try other.list(prefix: folder) }
            guard case .denied(let cause) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(cause.code == code && cause.tries == 1)
        }
    }

    @Test("an object that is longer than the caller can take is refused")
    func tooLong() throws {
        _ = try put("long", "0123456789")
        #expect(try bucket.get(folder + "long", atMost: 10).count == 10)
        guard case .refused(let cause) = error({ _ = try bucket.get(folder + "long", atMost: 9) }) else {
            Issue.record("not refused")
            return
        }
        #expect(cause.message == "the answer has more than 9 bytes")
    }

    @Test("a wrong checksum is refused, and nothing is stored")
    func damaged() throws {
        for kind in [ChecksumKind.crc32c, .md5] {
            let result = error {
                _ = try bucket.put(folder + "damaged", Array("body".utf8), checksum: Checksum(kind, of: [1]))
            }
            switch result {
            case .damaged, .refused: break
            default: Issue.record("\(String(describing: result))")
            }
            guard case .noSuchKey = error({ _ = try bucket.head(folder + "damaged") }) else {
                Issue.record("it is stored")
                return
            }
        }
    }

    @Test("a body that cannot be read, or is shorter than announced, ends the call at once and stores nothing")
    func unreadable() throws {
        for failsAt in [0, 70_000, 199_999] as [UInt64] {
            let payload = GeneratedPayload(length: 200_000, failsAt: failsAt)
            let result = error {
                _ = try bucket.put(folder + "unreadable", payload, checksum: Checksum(.crc32c, of: []))
            }
            #expect(result == .payload(PayloadError("the disk is gone")))
        }
        guard case .noSuchKey = error({ _ = try bucket.head(folder + "unreadable") }) else {
            Issue.record("it is stored")
            return
        }
    }

    @Test("a value with a line break cannot add a header")
    func injection() throws {
        let result = error {
            _ = try bucket.put(
                folder + "injection", [1], checksum: Checksum(.crc32c, of: [1]),
                metadata: ["resumabled": "a\r\nx-amz-acl: public-read"])
        }
        #expect("\(String(describing: result))".contains("control character"))
    }

    @Test("many threads share a bucket")
    func threads() throws {
        let failures = Lock<[String]>([])
        try onThreads(16) { [bucket, folder] thread in
            do {
                for round in 0..<10 {
                    let key = "\(folder)threads/\(thread)"
                    let body = Array("\(thread) \(round)".utf8)
                    _ = try bucket.put(key, body, checksum: Checksum(.crc32c, of: body))
                    let found = try bucket.get(key, atMost: 100)
                    if found != body { failures.withLock { $0.append("other bytes: \(found)") } }
                }
            } catch { failures.withLock { $0.append("\(error)") } }
        }
        #expect(failures.withLock { $0 } == [])
    }

    // MARK: - Listings

    @Test("listings come in pages, with each key once")
    func pages() throws {
        let names = ["a b", "a&b", "a+b", "a/b", "ab", "ü", "资料"] + (10..<20).map { "n\($0)" }
        for name in names { _ = try put("list/\(name)", name) }
        var listed: [ListedObject] = []
        var next: String?
        var pages = 0
        repeat {
            let page = try bucket.list(prefix: folder + "list/", next: next, limit: 5)
            listed += page.objects
            next = page.next
            pages += 1
        } while next != nil && pages < 20
        #expect(pages == 4)
        // The order is the engine's.
        #expect(listed.map(\.key).sorted() == names.map { "\(folder)list/\($0)" }.sorted())
        #expect(listed.allSatisfy { $0.size == $0.key.dropFirst(folder.count + 5).utf8.count && $0.modified != nil })
        try bucket.delete(listed.map(\.key))
        #expect(try bucket.list(prefix: folder + "list/") == ListPage(objects: [], next: nil))
        // Once more, with nothing there.
        try bucket.delete(listed.map(\.key))
        try bucket.delete(folder + "list/none")
    }

    // MARK: - Multipart uploads

    @Test("an object is made of parts, of which the newest of a number counts")
    func multipart() throws {
        let key = folder + "multipart"
        let id = try bucket.createMultipart(key, checksum: .crc32c, metadata: ["resumabled": "m.1"])
        #expect(try bucket.openMultiparts(prefix: folder).map(\.id) == [id])
        let first = GeneratedPayload(length: 5 << 20)
        var etags: [Int: String] = [:]
        for (number, payload) in [(3, [7] as any Payload), (1, first), (2, first), (3, [8, 9])] {
            let checksum: Checksum
            if let payload = payload as? GeneratedPayload {
                checksum = try payload.checksum(.crc32c)
            } else {
                checksum = Checksum(.crc32c, of: try #require(payload as? [UInt8]))
            }
            // The engine tells the order of two parts with one number by their seconds only.
            if etags[number] != nil { usleep(1_100_000) }
            etags[number] = try bucket.putPart(key, upload: id, number: number, payload, checksum: checksum)
        }
        var listed: [ListedPart] = []
        var next: Int? = 0
        while let after = next {
            let page = try bucket.parts(key, upload: id, after: after, limit: 1)
            listed += page.parts
            next = page.next
        }
        // Pages of one part miss the second row of a part that was sent again.
        #expect(listed.map(\.number) == [1, 2, 3])
        let parts = try bucket.parts(key, upload: id).parts.sorted { ($0.modified ?? 0) < ($1.modified ?? 0) }
        let newest = Dictionary(parts.map { ($0.number, $0) }, uniquingKeysWith: { $1 })
        #expect((1...3).map { newest[$0]?.size } == [5 << 20, 5 << 20, 2])
        #expect(newest.mapValues(\.etag) == etags)
        let wrong = error {
            try bucket.completeMultipart(key, upload: id, parts: [(1, try #require(etags[2])), (2, "none")])
        }
        guard case .invalidPart = wrong else {
            Issue.record("\(String(describing: wrong))")
            return
        }
        try bucket.completeMultipart(
            key, upload: id, parts: try (1...3).map { ($0, try #require(etags[$0])) }, ifAbsent: true)
        let head = try bucket.head(key)
        #expect(head.size == 10 << 20 + 2 && head.metadata == ["resumabled": "m.1"])
        let end = Lock<[UInt8]>([])
        try bucket.get(key, range: 10 << 20..<10 << 20 + 2) { _, bytes in
            end.withLock { $0 += bytes }
            return true
        }
        #expect(end.withLock { $0 } == [8, 9])
        #expect(try bucket.openMultiparts(prefix: folder) == [])
    }

    // MARK: - Faults

    private func faulty(_ fault: String, _ name: String) -> String { "\(folder)fault-\(fault)/\(name)" }

    @Test("a creation whose answer was lost is known as this call's own")
    func lostAnswers() throws {
        let bucket = try Engine.bucket(throughProxy: true)
        for fault in ["after-1", "after-3", "cut-2", "before-2", "500-3", "empty-1"] {
            let key = faulty(fault, "mine")
            #expect(try bucket.create(key, Array("mine \(fault)".utf8), checksum: .crc32c) == .created)
            #expect(try self.bucket.get(key, atMost: 100) == Array("mine \(fault)".utf8))
            // The proxy has seen the target before, so this goes through.
            #expect(
                try bucket.create(key, Array("later".utf8), checksum: .crc32c)
                    == .exists(Array("mine \(fault)".utf8)))
        }
    }

    @Test("of clients that create an object at the same time one succeeds, whatever answers are lost")
    func races() throws {
        let bucket = try Engine.bucket(throughProxy: true)
        for fault in ["after-2", "cut-3", "409-2", "delay-4"] {
            let key = faulty(fault, "race")
            let outcomes = Lock<[Int: Creation]>([:])
            try onThreads(6) { thread in
                guard let outcome = try? bucket.create(key, Array("\(thread)".utf8), checksum: .crc32c) else { return }
                outcomes.withLock { $0[thread] = outcome }
            }
            let found = try self.bucket.get(key, atMost: 100)
            let expected = (0..<6).map { Array("\($0)".utf8) == found ? Creation.created : .exists(found) }
            #expect(outcomes.withLock { outcomes in (0..<6).map { outcomes[$0] } } == expected, "\(fault)")
        }
    }

    @Test("an answer that is cut off is asked for again, from its start")
    func cutAnswers() throws {
        let bucket = try Engine.bucket(throughProxy: true)
        let key = faulty("cut-1", "object")
        let payload = GeneratedPayload(length: 300_000)
        _ = try bucket.put(key, payload, checksum: try payload.checksum(.crc32c))
        let starts = Atomic(0)
        let taken = Lock<[UInt8]>([])
        try bucket.get(key, range: 1000..<250_000) { offset, bytes in
            if offset == 0 { starts.add(1, ordering: .relaxed) }
            taken.withLock { $0 = $0.prefix(Int(offset)) + Array(bytes) }
            return true
        }
        #expect(starts.load(ordering: .relaxed) == 2)
        #expect(taken.withLock { $0 } == (1000..<250_000).map { GeneratedPayload.byte(at: $0) })
        #expect(try bucket.list(prefix: folder + "fault-cut-1/").objects.map(\.size) == [300_000])
    }

    @Test("trouble that lasts is given up after four tries")
    func lastingTrouble() throws {
        let bucket = try Engine.bucket(throughProxy: true)
        let expected = ["500": "InternalError", "503": "SlowDown", "409": "ConditionalRequestConflict", "before": ""]
        for (fault, code) in expected {
            let error = error { _ = try bucket.get(faulty("\(fault)-99", "object"), atMost: 10) }
            guard case .unreachable(let cause) = error else {
                Issue.record("\(fault): \(String(describing: error))")
                continue
            }
            #expect(cause.tries == 4 && cause.code == code)
        }
    }

    @Test("an engine that does not answer is given up in bounded time")
    func silence() throws {
        var limits = TimeLimits()
        limits.silence = 1000
        limits.call = 2500
        let bucket = try Engine.bucket(throughProxy: true, limits: limits)
        let began = MonotonicClock.milliseconds
        let error = error { _ = try bucket.head(faulty("hang-9", "object")) }
        guard case .unreachable(let cause) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(cause.tries >= 2 && cause.status == 0)
        // A loaded machine may be late, but 20 seconds have not passed for even one of the tries.
        #expect((2000...8000).contains(MonotonicClock.milliseconds - began))
    }

    // MARK: - The test of an engine

    @Test("the test of an engine finds all abilities and leaves nothing")
    func engineTest() throws {
        let test = EngineTest([bucket], prefix: folder, expire: 86_400) { UInt64(clamping: time(nil)) }
        let findings = test.run()
        #expect(findings.compactMap(\.shortcoming) == [])
        #expect(Set(findings.map(\.ability)) == Set(EngineAbility.allCases))
        #expect(test.checksum == .crc32c)
        #expect(try bucket.list(prefix: folder).objects == [])
        #expect(try bucket.openMultiparts(prefix: folder) == [])
    }
}
