import Glibc
import HTTP
import Linux
import TestSupport
import Testing
import UploadModel

@testable import UploadService
@testable import UploadStore

private func key(_ name: String) throws -> UploadKey {
    UploadKey(try UploadID(identifier: name, filename: FileName(name, parameter: ""), parameter: ""))
}

@Suite("Counts of unfinished uploads")
struct UploadLedgerTests {
    @Test("admit up to the limit in all, and another one when one has ended")
    func total() throws {
        var counts = UploadCounts(UploadLimits(uploads: 2, uploadsPerClient: 0))
        try counts.admit(key("a"), from: "x", at: 0)
        try counts.admit(key("b"), from: "y", at: 0)
        #expect(throws: UploadLimitReached.tooManyUploads) { try counts.admit(key("c"), from: "z", at: 0) }
        try counts.ended(key("a"))
        try counts.admit(key("c"), from: "z", at: 0)
        #expect(counts.count == 2)
    }

    @Test("admit up to the limit of one client, whatever other clients have")
    func perSender() throws {
        var counts = UploadCounts(UploadLimits(uploads: 0, uploadsPerClient: 2))
        try counts.admit(key("a"), from: "x", at: 0)
        try counts.admit(key("b"), from: "x", at: 0)
        #expect(throws: UploadLimitReached.tooManyOfClient) { try counts.admit(key("c"), from: "x", at: 0) }
        try counts.admit(key("d"), from: "y", at: 0)
        try counts.ended(key("b"))
        try counts.admit(key("c"), from: "x", at: 0)
    }

    @Test("admit a known upload as often as it is asked for")
    func again() throws {
        var counts = UploadCounts(UploadLimits(uploads: 1, uploadsPerClient: 1, newPerMinute: 1))
        for _ in 0..<3 { try counts.admit(key("a"), from: "x", at: 0) }
        try counts.begun(key("a"))
        try counts.admit(key("a"), from: "x", at: 5)
        #expect(counts.count == 1)
    }

    @Test("forget an upload that was admitted and never begun after a minute, and not before")
    func neverBegun() throws {
        var counts = UploadCounts(UploadLimits(uploads: 2, uploadsPerClient: 0))
        try counts.admit(key("begun"), from: "x", at: 100)
        try counts.begun(key("begun"))
        try counts.admit(key("failed"), from: "x", at: 100)
        #expect(throws: UploadLimitReached.tooManyUploads) { try counts.admit(key("c"), from: "x", at: 159) }
        try counts.admit(key("c"), from: "x", at: 160)
        #expect(throws: UploadLimitReached.tooManyUploads) { try counts.admit(key("d"), from: "x", at: 161) }
    }

    @Test("admit a minute's uploads of one client at once, and then at an even rate")
    func rate() throws {
        var counts = UploadCounts(UploadLimits(uploads: 0, uploadsPerClient: 0, newPerMinute: 3))
        for name in ["a", "b", "c"] { try counts.admit(key(name), from: "x", at: 1000) }
        // Three in a minute are one in twenty seconds.
        #expect(throws: UploadLimitReached.tooManyNew(seconds: 20)) { try counts.admit(key("d"), from: "x", at: 1000) }
        #expect(throws: UploadLimitReached.tooManyNew(seconds: 1)) { try counts.admit(key("d"), from: "x", at: 1019) }
        try counts.admit(key("d"), from: "x", at: 1020)
        #expect(throws: UploadLimitReached.tooManyNew(seconds: 20)) { try counts.admit(key("e"), from: "x", at: 1020) }
        // An hour's rest saves up no more than a minute's.
        for name in ["e", "f", "g"] { try counts.admit(key(name), from: "x", at: 5000) }
        #expect(throws: UploadLimitReached.tooManyNew(seconds: 20)) { try counts.admit(key("h"), from: "x", at: 5000) }
        try counts.admit(key("h"), from: "y", at: 5000)
    }

    @Test("count each folder that is created for a file as an upload, up to what a minute allows")
    func newFolders() throws {
        var counts = UploadCounts(UploadLimits(uploads: 0, uploadsPerClient: 0, newPerMinute: 6))
        try counts.admit(key("a"), from: "x", newFolders: 3, at: 1000)
        // Two of six are left. One takes ten seconds.
        #expect(throws: UploadLimitReached.tooManyNew(seconds: 10)) {
            try counts.admit(key("b"), from: "x", newFolders: 2, at: 1000)
        }
        try counts.admit(key("b"), from: "x", newFolders: 1, at: 1000)
        #expect(throws: UploadLimitReached.tooManyNew(seconds: 60)) {
            try counts.admit(key("deep"), from: "x", newFolders: 255, at: 1000)
        }
        try counts.admit(key("deep"), from: "x", newFolders: 255, at: 1060)
        #expect(throws: UploadLimitReached.tooManyNew(seconds: 10)) { try counts.admit(key("c"), from: "x", at: 1060) }
    }

    @Test("uploads without a known client count against no client")
    func unknownSender() throws {
        var counts = UploadCounts(UploadLimits(uploads: 0, uploadsPerClient: 1, newPerMinute: 1))
        for name in ["a", "b", "c"] { try counts.admit(key(name), from: "", at: 0) }
        #expect(counts.count == 3)
    }

    @Test("agree with a listing of the store, and keep the uploads that came since")
    func settling() throws {
        var counts = UploadCounts(UploadLimits(uploads: 0, uploadsPerClient: 1))
        for name in ["stays", "gone", "about to begin"] { try counts.admit(key(name), from: name, at: 0) }
        try counts.begun(key("stays"))
        try counts.begun(key("gone"))
        let known = counts.keys
        try counts.admit(key("meanwhile"), from: "m", at: 0)
        try counts.begun(key("meanwhile"))
        try counts.reconcile(unfinished: [key("stays"), key("another's")], known: known)
        let expected = try Set(["stays", "about to begin", "meanwhile", "another's"].map(key))
        #expect(counts.keys == expected)
        // A client whose upload has ended may begin another one.
        try counts.admit(key("next"), from: "gone", at: 0)
        #expect(throws: UploadLimitReached.tooManyOfClient) { try counts.admit(key("more"), from: "stays", at: 0) }
    }

    @Test("need bounded memory, however many clients there are")
    func manySenders() throws {
        var counts = UploadCounts(UploadLimits(uploads: 10, uploadsPerClient: 0, newPerMinute: 60))
        for number in 0..<(UploadCounts.maximumBuckets + 10) {
            let key = try key("\(number)")
            try counts.admit(key, from: "\(number)", at: 0)
            counts.ended(key)
        }
        #expect(counts.clients <= UploadCounts.maximumBuckets)
    }
}

@Suite("One client")
struct SenderTests {
    private func name(_ address: String) -> String {
        ClientKey(Request(method: .get, path: "/", remoteAddress: address), Permit()).name
    }

    @Test("an IPv4 address, also a mapped one, is one client; of an IPv6 address the network is")
    func addresses() {
        #expect(name("192.0.2.1") != name("192.0.2.2"))
        #expect(name("::ffff:192.0.2.1") != name("::ffff:192.0.2.2"))
        #expect(name("2001:db8:1:2::1") == name("2001:db8:1:2:ffff:ffff:ffff:ffff"))
        #expect(name("2001:db8:1:2::1") != name("2001:db8:1:3::1"))
        #expect(name("") == "")
    }

    @Test("requests with the same token subject are one client's, whatever their address")
    func subjects() throws {
        func name(_ subject: String, _ address: String) throws -> String {
            let permit = Permit(owner: try #require(Owner(subject: subject)))
            return ClientKey(Request(method: .get, path: "/", remoteAddress: address), permit).name
        }
        #expect(try name("anna", "192.0.2.1") == name("anna", "192.0.2.2"))
        #expect(try name("anna", "192.0.2.1") != name("ben", "192.0.2.1"))
        // No address gives a client the key of a subject.
        #expect(try name("192.0.2.1", "192.0.2.9") != self.name("192.0.2.1"))
    }
}

@Suite("Limits on uploads")
struct QuotaTests {
    /// A site whose store asks a keeper with these limits, for which time stands still.
    private func site(_ limits: UploadLimits) throws -> (site: Site, store: LocalStore) {
        let folder = try TemporaryFolder()
        let keeper = UploadLimiter(limits) { 1_700_000_000 }
        let store = try LocalStore(
            root: LinuxDirectory.root(folder.path), boot: .current, now: { UInt64(time(nil)) },
            observe: keeper.record,
            admit: { chunk, newFolders throws(StoreError) in
                try keeper.admit(chunk, newFolders: newFolders)
            })
        keeper.count { [weak store] in try? store?.uploads().filter { $0.finished == nil }.map(\.id) }
        return (Site(store: store, folder: folder), store)
    }

    private func sample(_ name: String) -> Sample {
        var sample = Sample(size: 2000)
        sample.name = name
        sample.identifier = name
        return sample
    }

    /// Sends a chunk from an address.
    private func send(
        _ expected: Expected, _ number: Int, of name: String, from address: String = "192.0.2.1", to site: Site,
        _ location: SourceLocation = #_sourceLocation
    ) -> Response {
        let body = sample(name).form(number)
        let request = Request(
            method: .post, path: Site.route, contentType: formType, contentLength: UInt64(body.count),
            remoteAddress: address)
        return site.expect(expected, request, Pieces(body), location)
    }

    @Test("too many unfinished uploads get retry until one is finished; a known upload always continues")
    func total() throws {
        let (site, store) = try site(UploadLimits(uploads: 2, uploadsPerClient: 0))
        _ = send(.stored, 1, of: "a", to: site)
        _ = send(.stored, 1, of: "b", to: site)
        let refused = send(.retry, 1, of: "c", to: site)
        #expect(text(refused) == "There are too many unfinished uploads at the moment")
        #expect(refused.header("Retry-After") == "30")
        // Nothing of it was begun.
        #expect(try store.uploads().count == 2)
        site.test(.missing, sample("c").query(1))
        _ = send(.stored, 1, of: "a", to: site)
        _ = send(.stored, 2, of: "a", to: site)
        _ = send(.stored, 1, of: "c", to: site)
    }

    @Test("one client's uploads don't count against another client")
    func perClient() throws {
        let (site, _) = try site(UploadLimits(uploads: 0, uploadsPerClient: 1))
        _ = send(.stored, 1, of: "a", from: "192.0.2.1", to: site)
        #expect(text(send(.retry, 1, of: "b", from: "192.0.2.1", to: site)) == "You have too many unfinished uploads")
        _ = send(.stored, 1, of: "b", from: "192.0.2.2", to: site)
    }

    @Test("the limit per minute holds, and Retry-After says when the next upload may begin")
    func rate() throws {
        let (site, _) = try site(UploadLimits(uploads: 0, uploadsPerClient: 0, newPerMinute: 2))
        for name in ["a", "b"] {
            for number in 1...2 { _ = send(.stored, number, of: name, to: site) }
        }
        let refused = send(.retry, 1, of: "c", to: site)
        #expect(refused.header("Retry-After") == "30")
        #expect(text(refused) == "You have begun too many uploads in a short time")
    }

    @Test("they hold for octet bodies, too, and for forms whose fields come after the file")
    func otherForms() throws {
        let (site, _) = try site(UploadLimits(uploads: 1, uploadsPerClient: 0))
        _ = send(.stored, 1, of: "a", to: site)
        let sample = sample("b")
        site.post(.retry, form([.file(sample.chunk(1))] + sample.fields(1)))
        let raw = Request(
            method: .post, path: Site.route, query: sample.query(1), contentType: "application/octet-stream",
            contentLength: 1000)
        site.expect(.retry, raw, Pieces(sample.chunk(1)))
    }

    @Test("removed uploads, and those from before the start, are counted correctly")
    func othersActs() throws {
        let (site, store) = try site(UploadLimits(uploads: 1, uploadsPerClient: 0))
        _ = send(.stored, 1, of: "a", to: site)
        _ = send(.retry, 1, of: "b", to: site)
        _ = try store.remove(UploadID(identifier: "a", filename: FileName("a", parameter: ""), parameter: ""))
        _ = send(.stored, 1, of: "b", to: site)
        // A process that starts now finds it, and is full.
        let next = UploadLimiter(UploadLimits(uploads: 1, uploadsPerClient: 0)) { 1_700_000_000 }
        next.count { [weak store] in try? store?.uploads().filter { $0.finished == nil }.map(\.id) }
        let chunk = try ChunkRequest(
            upload: UploadID(identifier: "c", filename: FileName("c", parameter: ""), parameter: ""), number: 1,
            place: .counted(chunks: 1))
        #expect(throws: StoreError.postponed("There are too many unfinished uploads at the moment", seconds: 30)) {
            try next.admit(chunk, newFolders: 0)
        }
    }

    @Test("uploads that another process has finished no longer count once the store is listed again")
    func anotherProcess() throws {
        let folder = try TemporaryFolder()
        let clock = Lock<UInt64>(1_700_000_000)
        let keeper = UploadLimiter(UploadLimits(uploads: 1, uploadsPerClient: 0)) { clock.withLock { $0 } }
        let root = try LinuxDirectory.root(folder.path)
        let store = try LocalStore(
            root: root, boot: .current, now: { 1_700_000_000 }, observe: keeper.record,
            admit: { chunk, newFolders throws(StoreError) in
                try keeper.admit(chunk, newFolders: newFolders)
            })
        keeper.count { [weak store] in try? store?.uploads().filter { $0.finished == nil }.map(\.id) }
        let ours = Site(store: store, folder: folder)
        let others = Site(store: try LocalStore(root: root, boot: .current, now: { 1_700_000_000 }), folder: folder)
        _ = send(.stored, 1, of: "a", to: ours)
        _ = send(.stored, 2, of: "a", to: others)
        #expect(folder.files == ["a"])
        _ = send(.retry, 1, of: "b", to: ours)
        clock.withLock { $0 += UploadLimiter.countSeconds }
        _ = send(.stored, 1, of: "b", to: ours)
    }
}

@Suite("Limits on a request")
struct SizeLimitTests {
    private let settings = UploadSettings(maximumChunkSize: 1000)

    @Test("chunks above the limit are refused, tests of them as well")
    func chunkSize() throws {
        let site = try Site(settings)
        let large = Sample(size: 5000, chunkSize: 1001)
        let line = text(site.post(.refused, large.form(1)))
        #expect(line == "Chunks of at most 1000 bytes are accepted here")
        site.test(.refused, large.query(1))
        // The last one takes the remainder with it.
        let fitting = Sample(size: 1999, chunkSize: 1000)
        site.post(.stored, fitting.form(1))
    }

    @Test("a file smaller than the limit may have any chunk size")
    func smallFile() throws {
        let site = try Site(settings)
        site.post(.stored, Sample(size: 1000, chunkSize: 1 << 20).form(1))
    }

    @Test("a larger body than twice the chunk and 64 KiB is refused, whether it says so or not")
    func body() throws {
        let site = try Site(settings)
        let limit = 2 * 1000 + 64 * 1024
        func post(_ expected: Expected, _ bytes: [UInt8], announced: Bool) -> Response {
            site.expect(
                expected,
                Request(
                    method: .post, path: Site.route, contentType: formType,
                    contentLength: announced ? UInt64(bytes.count) : nil), Pieces(bytes))
        }
        let sample = Sample(size: 1000)
        // A file in a part of another name makes it larger.
        func body(of size: Int) -> [UInt8] {
            let parts = { (filling: Int) -> [UInt8] in
                let filler = FormPart.file([UInt8](repeating: 0, count: filling), name: "extra")
                return form([filler] + sample.fields(1) + [.file(sample.chunk(1))])
            }
            return parts(size - parts(0).count)
        }
        for announced in [true, false] {
            let line = text(post(.refused, body(of: limit + 1), announced: announced))
            #expect(line == "The chunk is larger than this server accepts")
        }
        _ = post(.stored, body(of: limit), announced: true)
    }
}
