import HTTP
import Testing
import UploadService

/// Pages of other origins (PROTOCOL.md, Requests, "Origins"; RFC 6454; Fetch standard, "CORS protocol").
@Suite("Origins")
struct OriginTests {
    private func send(
        _ method: HTTP.Method, from origin: String?, host: String? = "upload.example.org", allowed: [String] = [],
        asking headers: String? = nil, site fetchSite: String? = nil
    ) throws -> Response {
        let site = try Site(UploadSettings(origins: OriginPolicy(allowed: allowed)))
        return site.send(
            Request(
                method: method, path: Site.route, query: Sample(size: 3000).query(1), host: host, origin: origin,
                fetchSite: fetchSite, requestedHeaders: headers))
    }

    private static let allowOrigin = "Access-Control-Allow-Origin"

    @Test(
        "a page of the same host may send, over either scheme, without CORS headers",
        arguments: ["http://upload.example.org", "https://upload.example.org", "HTTPS://UPLOAD.example.org"])
    func same(_ origin: String) throws {
        let answer = try send(.get, from: origin)
        #expect(answer.status == 404)
        #expect(answer.header(OriginTests.allowOrigin) == nil)
    }

    @Test("a program that sends no origin may send")
    func none() throws {
        #expect(try send(.get, from: nil).status == 404)
    }

    @Test(
        "any other page is refused and cannot read the reason",
        arguments: [
            "https://evil.example.org", "http://upload.example.org:8080", "https://upload.example.org.evil.com", "null",
            "https://evil.com/upload.example.org", "upload.example.org", "file://", "",
            "https://user@upload.example.org",
            "https://upload.example.org/", "https://upload.example.org.", "capacitor://upload.example.org",
            "https://upload.example.org:80", "http://upload.example.org:443", "https://upload.example.org:0443",
        ])
    func other(_ origin: String) throws {
        for method in [HTTP.Method.get, .head, .post, .put, .options, .delete] {
            let answer = try send(method, from: origin)
            #expect(answer.header("X-Upload-Outcome") == "refused", "\(method)")
            #expect(answer.status == 415)
            #expect(answer.header(OriginTests.allowOrigin) == nil)
        }
    }

    @Test("a page that is allowed may send and read every answer")
    func allowed() throws {
        for method in [HTTP.Method.get, .head, .options, .delete, .other("BREW")] {
            let answer = try send(method, from: "https://app.example.org", allowed: ["https://App.example.org"])
            #expect(answer.header("X-Upload-Outcome") != "refused")
            #expect(
                answer.headers.filter { $0.name == OriginTests.allowOrigin }.map(\.value) == ["https://app.example.org"]
            )
            #expect(answer.header("Access-Control-Expose-Headers") == "X-Upload-Outcome, Retry-After, X-Upload-Path")
            #expect(answer.header("Access-Control-Allow-Credentials") == "true")
            #expect(answer.header("Vary") == "Origin")
        }
    }

    @Test("where one origin is allowed, another one is still refused, and caches know the difference")
    func notAll() throws {
        let answer = try send(.get, from: "https://evil.example.org", allowed: ["https://app.example.org"])
        #expect(answer.header("X-Upload-Outcome") == "refused")
        #expect(answer.header("Vary") == "Origin")
    }

    @Test("`*` allows every page, but without credentials")
    func all() throws {
        let answer = try send(.get, from: "https://anywhere.example.org", allowed: ["*"])
        #expect(answer.status == 404)
        #expect(answer.header(OriginTests.allowOrigin) == "*")
        #expect(answer.header("Access-Control-Allow-Credentials") == nil)
    }

    @Test("a preflight learns the methods, and gets the headers that it asks for")
    func preflight() throws {
        let answer = try send(
            .options, from: "https://app.example.org", allowed: ["https://app.example.org"],
            asking: "authorization, content-digest, x-my-own")
        #expect(answer.status == 204)
        #expect(answer.header("Access-Control-Allow-Methods")?.contains("POST") == true)
        #expect(answer.header("Access-Control-Allow-Headers") == "authorization, content-digest, x-my-own")
        #expect(answer.header("Access-Control-Max-Age") == "7200")
        let odd = try send(
            .options, from: "https://app.example.org", allowed: ["https://app.example.org"], asking: "a\r\nb: c")
        #expect(odd.header("Access-Control-Allow-Headers") == nil)
    }

    @Test(
        "a default port is the same with and without it, on either side",
        arguments: [
            ("x.org:443", "https://x.org", true), ("x.org:80", "http://x.org", true),
            ("x.org", "https://x.org:443", true),
            ("X.org:8443", "https://x.ORG:8443", true), ("x.org.", "https://x.org.", true),
            ("[::1]:443", "https://[::1]", true),
            ("[0:0::1]", "http://[::1]", true), ("127.0.0.1:8080", "http://127.0.0.1:8080", true),
            ("xn--bcher-kva.example", "https://xn--bcher-kva.example", true), ("x.org:443", "http://x.org", false),
            ("x.org:80", "https://x.org", false), ("x.org:8443", "https://x.org", false),
            ("x.org", "https://x.org:8443", false),
            ("x.org", "https://x.org.", false), ("x.org:", "https://x.org", false), ("[::1]", "http://[::2]", false),
            ("user@x.org", "https://x.org", false), ("", "https://", false),
        ])
    func defaultPorts(_ host: String, _ origin: String, _ isSame: Bool) throws {
        let answer = try send(.get, from: origin, host: host)
        #expect((answer.header("X-Upload-Outcome") == "refused") == !isSame)
    }

    @Test(
        "an origin is allowed in any spelling that means it, and answered as the browser sent it",
        arguments: [
            ("https://app.example.org:443", "https://app.example.org"),
            ("HTTP://App.example.org:80", "http://app.example.org"),
            ("https://app.example.org:8443", "https://app.example.org:8443"),
            ("http://[0:0:0::1]:8080", "http://[::1]:8080"),
            ("http://[::FFFF:1.2.3.4]", "http://[::ffff:102:304]"), ("capacitor://localhost", "capacitor://localhost"),
            ("ionic://localhost", "ionic://localhost"), ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
            ("null", "null"), ("file://", "file://"), ("http://localhost", "http://localhost"),
            ("https://app.example.org.", "https://app.example.org."),
            ("https://a_b.example.org", "https://a_b.example.org"),
        ])
    func spellings(_ option: String, _ origin: String) throws {
        let answer = try send(.get, from: origin, allowed: [option])
        #expect(answer.header(OriginTests.allowOrigin) == origin)
        #expect(answer.header("Vary") == "Origin")
        let others = ["https://evil.example.org", "null", "file://", "capacitor://other", "tauri://localhost"]
        for other in others where other != origin {
            #expect(try send(.get, from: other, allowed: [option]).header("X-Upload-Outcome") == "refused", "\(other)")
        }
    }

    @Test("without an origin, a request of another site is refused, unless every page may send")
    func fetchSite() throws {
        for method in [HTTP.Method.get, .post, .delete] {
            #expect(try send(method, from: nil, site: "cross-site").header("X-Upload-Outcome") == "refused")
        }
        let allowed = ["https://app.example.org"]
        #expect(try send(.get, from: nil, allowed: allowed, site: "cross-site").header("X-Upload-Outcome") == "refused")
        #expect(try send(.get, from: nil, allowed: ["*"], site: "cross-site").status == 404)
        for site in ["same-origin", "same-site", "none", "nonsense", ""] {
            #expect(try send(.get, from: nil, site: site).status == 404, "\(site)")
        }
        // With an origin, that decides.
        #expect(try send(.get, from: "https://upload.example.org", site: "cross-site").status == 404)
        #expect(try send(.get, from: allowed[0], allowed: allowed, site: "cross-site").status == 404)
    }

    @Test(
        "an option that no browser sends as an origin is refused, and the error says why",
        arguments: [
            ("app.example.org", .noScheme), ("", .noScheme), ("//x", .noScheme), ("1x://a", .noScheme),
            ("https:/x", .noScheme),
            ("https://", .host), ("https://app.example.org/", .path), ("https://x?y", .path), ("https://x#y", .path),
            ("https://a b", .host), ("https://user@host", .userInformation), ("https://*.example.org", .pattern),
            ("https://bücher.example", .notASCII), ("https://x:", .port), ("https://x:0443", .port),
            ("https://x:65536", .port),
            ("https://x:y", .port), ("https://[::1", .host), ("https://[x]", .host), ("https://::1", .host),
            ("https://a..b", .host), ("https://.", .host), ("https://127.1", .host), ("https://1.2.3.256", .host),
            ("https://a%20b", .host), ("capacitor://", .host), ("nul", .noScheme), ("**", .noScheme),
        ] as [(String, OriginError)])
    func noOrigin(_ text: String, _ error: OriginError) {
        #expect(throws: error) { try OriginPolicy(allowed: [text]) }
    }
}
