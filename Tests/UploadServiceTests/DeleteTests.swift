import HTTP
import TestSupport
import Testing
import UploadModel
import UploadService
import UploadStore

/// Removing unfinished uploads (PROTOCOL.md, Requests and Upload tokens).
@Suite("Deleting uploads")
struct DeleteTests {
    private static let secret = "correct-horse-battery"
    let site: Site
    let sample = Sample(size: 3000)

    init() throws {
        site = try Site(UploadSettings(authorization: Authorization(deleteToken: DeleteToken(Self.secret)) { 0 }))
    }

    private func delete(_ outcome: Expected, token: String? = nil, authorization: String? = nil) {
        let query = sample.query(1) + (token.map { "&upload_token=\($0)" } ?? "")
        site.expect(outcome, Request(method: .delete, path: Site.route, query: query, authorization: authorization))
    }

    @Test("with the token, nothing of the upload is held any more, and it can be begun anew")
    func removed() {
        site.post(.stored, sample.form(1))
        delete(.removed, token: Self.secret)
        site.test(.missing, sample.query(1))
        #expect(site.folder.names(in: LocalStore.stateFolder).isEmpty)
        delete(.removed, token: Self.secret)
        for number in 1...3 { site.post(.stored, sample.form(number)) }
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
    }

    @Test("the token may stand in the header, whose scheme has no case", arguments: ["Bearer ", "bearer ", "BEARER "])
    func bearer(scheme: String) {
        site.post(.stored, sample.form(1))
        delete(.removed, authorization: scheme + Self.secret)
        site.test(.missing, sample.query(1))
    }

    @Test(
        "without the token, or with another, nothing is removed",
        arguments: [nil, "", "correct-horse-batterx", "correct-horse-battery2", "correct-horse", "Basic"])
    func refused(token: String?) {
        site.post(.stored, sample.form(1))
        delete(.refused, token: token)
        delete(.refused, authorization: token.map { "Bearer \($0)" })
        delete(.refused, authorization: "Basic \(Self.secret)")
        site.test(.held, sample.query(1))
    }

    @Test("a finished file stays")
    func finished() {
        for number in 1...3 { site.post(.stored, sample.form(number)) }
        delete(.refused, token: Self.secret)
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
        site.test(.held, sample.query(1))
    }

    @Test("where it isn't switched on, the method is not spoken")
    func off() throws {
        let site = try Site()
        site.post(.stored, sample.form(1))
        let query = sample.query(1) + "&upload_token=" + Self.secret
        site.expect(.unsupported, Request(method: .delete, path: Site.route, query: query))
        site.test(.held, sample.query(1))
    }

    @Test("OPTIONS lists DELETE only where it is enabled")
    func options() throws {
        let request = Request(method: .options, path: Site.route)
        #expect(site.send(request).header("Allow")?.contains("DELETE") == true)
        #expect(try Site().send(request).header("Allow")?.contains("DELETE") == false)
    }

    @Test("a token that could be guessed, or that a header cannot carry, is invalid")
    func weakTokens() {
        for text in ["", "short", "0123456789abcde", "0123456789 abcdef", "0123456789abcdé", "0123456789abcdef\n"] {
            #expect(DeleteToken(text) == nil)
        }
        #expect(DeleteToken("0123456789abcdef") != nil)
    }
}
