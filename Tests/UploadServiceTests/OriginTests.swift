import HTTP
import Testing
import UploadService

/// Pages of other origins (RFC 6454; Fetch standard, "CORS protocol").
@Suite("Origins")
struct OriginTests {
    private func send(
        _ method: HTTP.Method, from origin: String?, host: String? = "upload.example.org", allowed: [String] = [],
        asking headers: String? = nil
    ) throws -> Response {
        let site = try Site(UploadSettings(origins: OriginPolicy(allowed: allowed)))
        return site.send(
            Request(
                method: method, path: Site.route, query: Sample(size: 3000).query(1), host: host, origin: origin,
                requestedHeaders: headers))
    }

    private static let allowOrigin = "Access-Control-Allow-Origin"

    @Test(
        "a page of the same host may send, over either scheme, and needs no headers for that",
        arguments: ["http://upload.example.org", "https://upload.example.org", "HTTPS://UPLOAD.example.org"])
    func same(_ origin: String) throws {
        let answer = try send(.get, from: origin)
        #expect(answer.status == 404)
        #expect(answer.header(OriginTests.allowOrigin) == nil)
    }

    @Test("a program that names no origin may send")
    func none() throws {
        #expect(try send(.get, from: nil).status == 404)
    }

    @Test(
        "any other page is refused, and can't read why",
        arguments: [
            "https://evil.example.org", "http://upload.example.org:8080", "https://upload.example.org.evil.com", "null",
            "https://evil.com/upload.example.org", "upload.example.org", "file://", "",
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
            #expect(answer.header("Access-Control-Expose-Headers") == "X-Upload-Outcome, Retry-After")
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

    @Test("a star allows every page, but none with its cookies")
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
        "an option that is no origin is told apart",
        arguments: [
            ("https://app.example.org", true), ("http://localhost:8080", true), ("*", true), ("https://[::1]:1", true),
            ("app.example.org", false), ("https://", false), ("https://app.example.org/", false), ("", false),
            ("https://a b", false), ("https://user@host", false),
        ])
    func isOrigin(_ text: String, _ expected: Bool) {
        #expect(OriginPolicy.isOrigin(text) == expected)
    }
}
