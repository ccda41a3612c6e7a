import HTTP
import Testing

@Suite("Requests and answers")
struct RequestTests {
    @Test("the methods of RFC 9110 and RFC 5789 are known by their names")
    func methods() {
        let known: [(String, Method)] = [
            ("GET", .get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("PATCH", .patch), ("DELETE", .delete),
            ("OPTIONS", .options),
        ]
        for (name, method) in known { #expect(Method(name) == method) }
    }

    @Test("a method's name is case-sensitive", arguments: ["get", "Post", "GET ", " GET", "", "TRACE", "PROPFIND"])
    func otherMethods(_ name: String) {
        #expect(Method(name) == .other(name))
    }

    private func accepts(_ header: String?) -> Bool {
        Request(method: .get, path: "/", accept: header).accepts("application/json")
    }

    @Test(
        "a media type that is named in Accept is accepted",
        arguments: [
            "application/json", "text/html, application/json", "application/json;q=0.9, */*", "Application/JSON",
            "text/html,application/json", " application/json ", "application/json ; q=1", "\tapplication/json\t",
            "text/html,\tapplication/json",
        ])
    func accepted(_ header: String) {
        #expect(accepts(header))
    }

    @Test(
        "a media type that is not named is not accepted, wildcards included",
        arguments: [
            "*/*", "application/*", "text/html", "", "application/jsonp", "application/json-seq", "json",
            "xapplication/json", ",,,", ";application/json", "text/plain;x=application/json",
        ])
    func notAccepted(_ header: String) {
        #expect(!accepts(header))
    }

    @Test("without Accept nothing is asked for")
    func noAccept() {
        #expect(!accepts(nil))
    }

    @Test("a quality of zero means that the media type is not wanted (RFC 9110, section 12.4.2)")
    func zeroQuality() {
        for quality in ["q=0", "q=0.0", "q=0.000", " Q=0"] { #expect(!accepts("application/json;\(quality), */*")) }
        for quality in ["q=0.001", "q=1", "q=0.5;v=0"] { #expect(accepts("application/json;\(quality)")) }
    }

    @Test("each status code of PROTOCOL.md has its reason phrase (RFC 9110, section 15)")
    func reasons() {
        let phrases = [
            200: "OK", 204: "No Content", 404: "Not Found", 415: "Unsupported Media Type",
            500: "Internal Server Error", 501: "Not Implemented", 503: "Service Unavailable",
        ]
        for (status, phrase) in phrases { #expect(Response(status: status).reason == phrase) }
    }

    @Test("an answer gives the first header of a name")
    func headers() {
        let response = Response(status: 200, headers: [.init("A", "1"), .init("B", "2"), .init("A", "3")])
        #expect(response.header("A") == "1")
        #expect(response.header("B") == "2")
        #expect(response.header("C") == nil)
    }
}
