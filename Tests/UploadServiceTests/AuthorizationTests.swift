import HTTP
import TestSupport
import Testing
import Tokens
import UploadModel
import UploadService
import UploadStore

/// Requests with upload tokens: what they may do, and whose uploads they reach.
@Suite("Upload tokens")
struct AuthorizationTests {
    private static let now: UInt64 = 1_700_000_000
    private let keys: TokenKeys
    private let site: Site
    private let sample = Sample(size: 3000)

    init() throws {
        keys = try TokenKeys(Array(repeating: UInt8(ascii: "k"), count: 32))
        site = try Site(
            UploadSettings(authorization: Authorization(tokens: TokenVerifier(keys: keys), now: { Self.now })))
    }

    private func token(_ permit: Permit = Permit(), expires: UInt64 = now + 60) throws -> String {
        try TokenSigner.token(permit, expires: expires, keys: keys)
    }

    private func owner(_ subject: String, _ directory: String? = nil) throws -> Owner {
        try #require(Owner(subject: subject, directory: directory.flatMap { try RelativePath($0, parameter: "") }))
    }

    /// A form with the token in a field.
    private func form(_ number: Int, _ token: String, of sample: Sample? = nil) -> [UInt8] {
        let sample = sample ?? self.sample
        return UploadServiceTests.form(
            sample.fields(number) + [.field("upload_token", token), .file(sample.chunk(number))])
    }

    @Test("without a token nothing is done, and nothing reaches the disk")
    func none() throws {
        site.test(.refused, sample.query(1))
        site.post(.refused, sample.form(1))
        site.expect(
            .refused,
            Request(method: .put, path: Site.route, query: sample.query(1), contentType: "application/octet-stream"),
            Pieces(sample.chunk(1)))
        site.expect(.refused, Request(method: .delete, path: Site.route, query: sample.query(1)))
        #expect(site.folder.names(in: LocalStore.stateFolder).isEmpty)
        // A preflight carries no token, ever.
        #expect(site.send(Request(method: .options, path: Site.route)).status == 204)
    }

    @Test("a token may stand in the query, in a field or in the header")
    func places() throws {
        let token = try token()
        let query = sample.query(1) + "&upload_token=" + token
        site.test(.missing, query)
        site.expect(
            .missing,
            Request(method: .get, path: Site.route, query: sample.query(1), authorization: "Bearer " + token))
        site.post(.stored, form(1, token))
        site.post(.stored, sample.form(2), query: "upload_token=" + token)
        let raw = Request(
            method: .post, path: Site.route, query: sample.query(3), contentType: "application/octet-stream",
            authorization: "bearer " + token)
        site.expect(.stored, raw, Pieces(sample.chunk(3)))
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
    }

    @Test("a token after the file is too late")
    func late() throws {
        let late = UploadServiceTests.form(
            sample.fields(1) + [.file(sample.chunk(1)), .field("upload_token", try token())])
        #expect(text(site.post(.refused, late)).contains("before the file"))
        // Nor may it change there.
        let changed = UploadServiceTests.form(
            sample.fields(1) + [
                .field("upload_token", try token()), .file(sample.chunk(1)), .field("upload_token", "x"),
            ])
        site.post(.malformed, changed)
        site.test(.missing, sample.query(1) + "&upload_token=" + (try token()))
    }

    @Test("an expired token has another answer than an invalid one")
    func lines() throws {
        let expired = try token(expires: Self.now - 31)
        #expect(text(site.test(.refused, sample.query(1) + "&upload_token=" + expired)).contains("expired"))
        let wrong = text(site.test(.refused, sample.query(1) + "&upload_token=" + (try token().dropLast())))
        #expect(wrong == "The upload token is not valid")
    }

    @Test("two subjects never share an upload, whatever they send")
    func namespaces() throws {
        let other: Sample = {
            var other = Sample(size: 3000)
            other.bytes.reverse()
            return other
        }()
        let (one, two) = (try token(Permit(owner: owner("one"))), try token(Permit(owner: owner("two"))))
        site.post(.stored, form(1, one))
        site.test(.held, sample.query(1) + "&upload_token=" + one)
        site.test(.missing, sample.query(1) + "&upload_token=" + two)
        site.test(.missing, sample.query(1) + "&upload_token=" + (try token()))
        for number in [3, 2, 1] { site.post(.stored, form(number, two, of: other)) }
        for number in [2, 3] { site.post(.stored, form(number, one)) }
        #expect(site.folder.bytes(of: "clip.mp4") == other.bytes)
        #expect(site.folder.bytes(of: "clip (1).mp4") == sample.bytes)
    }

    @Test("a token that was renewed goes on with the same upload")
    func renewed() throws {
        let permit = Permit(owner: try owner("one", "films"), quota: TokenQuota(tokenID: "t", limit: 1))
        for (number, expires) in [(1, Self.now + 1), (2, Self.now + 600), (3, Self.now + 6000)] {
            site.post(.stored, form(number, try token(permit, expires: expires)))
        }
        #expect(try site.folder.read("films/clip.mp4") == sample.bytes)
    }

    @Test("a file goes to the folder of the token, and the same file in another folder is another upload")
    func folders() throws {
        for folder in ["a/b", "c"] {
            let token = try token(Permit(owner: owner("one", folder)))
            site.test(.missing, sample.query(1) + "&upload_token=" + token)
            for number in 1...3 { site.post(.stored, form(number, token)) }
            #expect(try site.folder.read(folder + "/clip.mp4") == sample.bytes)
        }
        let token = try token(Permit(owner: owner("one", ".resumabled")))
        site.post(.refused, form(1, token))
    }

    @Test("a file must be no larger, and of no other type, than the token says")
    func limits() throws {
        let small = try token(Permit(maximumFileSize: 2999))
        site.post(.refused, form(1, small))
        site.post(.stored, form(1, try token(Permit(maximumFileSize: 3000))))
        site.post(.refused, form(2, try token(Permit(types: TypePolicy(".pdf")))))
        site.post(.stored, form(2, try token(Permit(types: TypePolicy(".pdf,.mp4")))))
    }

    @Test("the limits in the JSON of a test are the token's where they are tighter")
    func toldLimits() throws {
        let answer = { (permit: Permit) throws -> String in
            var request = Request(
                method: .get, path: Site.route, query: Sample(size: 100).query(1) + "&resumableType=a/b")
            request.accept = "application/json"
            request.authorization = "Bearer " + (try token(permit))
            return text(site.send(request))
        }
        let tight = try answer(Permit(maximumFileSize: 500, types: TypePolicy("a/b,.x")))
        #expect(tight.contains(#""maxFileSize": 500,"#) && tight.contains(#""types": "a/b,.x""#))
        #expect(try answer(Permit(maximumFileSize: 1 << 50)).contains(#""maxFileSize": 1099511627776,"#))
        let refusing = try answer(Permit(maximumFileSize: 99))
        #expect(refusing.contains(#""message": "The file is too large"#) && refusing.contains(#""maxFileSize": 99,"#))
        var stranger = Request(method: .get, path: Site.route, query: Sample(size: 100).query(1))
        stranger.accept = "application/json"
        #expect(!text(site.expect(.refused, stranger)).contains("limits"), "without a token nobody is told them")
    }

    @Test("a token's number of files holds after a restart, and counts for its owner only")
    func quota() throws {
        let folder = site.folder
        func again() throws -> Site {
            let store = try LocalStore(
                root: LinuxDirectory.root(folder.path), boot: .current, now: { Self.now })
            return Site(
                store: store, folder: folder,
                UploadSettings(authorization: Authorization(tokens: TokenVerifier(keys: keys), now: { Self.now })))
        }
        let permit = Permit(owner: try owner("one"), quota: TokenQuota(tokenID: "t", limit: 2))
        let files = (1...3).map { number -> Sample in
            var file = Sample(size: 3000)
            (file.name, file.identifier) = ("\(number).mp4", "\(number)")
            return file
        }
        try again().post(.stored, form(1, token(permit), of: files[0]))
        for number in 1...3 { try again().post(.stored, form(number, token(permit), of: files[1])) }
        let refused = try again().post(.refused, form(1, token(permit), of: files[2]))
        #expect(text(refused).contains("2 files"))
        for number in 2...3 { try again().post(.stored, form(number, token(permit), of: files[0])) }
        try again().post(.refused, form(1, token(permit), of: files[2]))
        let two = Permit(owner: try owner("two"), quota: TokenQuota(tokenID: "t", limit: 1))
        try again().post(.stored, form(1, token(two), of: files[2]))
        #expect(folder.files == ["1.mp4", "2.mp4"])
    }

    @Test("of many uploads that begin at once, a token admits as many as it allows")
    func quotaTogether() throws {
        let permit = Permit(quota: TokenQuota(tokenID: "t", limit: 3))
        let token = try token(permit)
        let stored = Counter()
        try onThreads(12) { number in
            var file = Sample(size: 3000)
            (file.name, file.identifier) = ("\(number).mp4", "\(number)")
            let body = form(1, token, of: file)
            let request = Request(
                method: .post, path: Site.route, contentType: formType, contentLength: UInt64(body.count))
            // The store may be busy: then the client sends again.
            for _ in 0..<1000 {
                let status = site.send(request, Pieces(body)).status
                if status == 200 { stored.add() }
                if status != 503 { return }
            }
            Issue.record("the store is always busy")
        }
        #expect(stored.value == 3)
    }

    @Test("the owner of an upload may remove it if the token allows that")
    func removal() throws {
        let mine = Permit(owner: try owner("one"))
        site.post(.stored, form(1, try token(mine)))
        func delete(_ permit: Permit) throws -> Request {
            Request(
                method: .delete, path: Site.route, query: sample.query(1) + "&upload_token=" + (try token(permit)))
        }
        site.expect(.refused, try delete(mine))
        site.expect(.removed, try delete(Permit(owner: owner("two"), mayRemove: true)))
        site.test(.held, sample.query(1) + "&upload_token=" + (try token(mine)))
        site.expect(.removed, try delete(Permit(owner: owner("one"), mayRemove: true)))
        site.test(.missing, sample.query(1) + "&upload_token=" + (try token(mine)))
    }
}
