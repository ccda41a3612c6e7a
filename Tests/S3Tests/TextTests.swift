import Linux
import Testing

@testable import S3

@Suite("Keys and times as text")
struct TextTests {
    @Test("everything but the unreserved characters of RFC 3986 is encoded")
    func encode() {
        let unreserved = "ABCXYZabcxyz0189-._~"
        #expect(percentEncoded(unreserved) == unreserved)
        #expect(percentEncoded("a b+c&d/(1)*'!\u{7f}\u{0}") == "a%20b%2Bc%26d%2F%281%29%2A%27%21%7F%00")
        #expect(percentEncoded("ü/资", keepsSlashes: true) == "%C3%BC/%E8%B5%84")
    }

    @Test("a key from a listing is decoded")
    func decode() {
        #expect(PercentEncoding.decode("a%20b+c%2Bd/%C3%BC") == "a b c+d/ü")
        #expect(PercentEncoding.decode("%c3%bc") == "ü")
    }

    @Test(
        "text that is not percent-encoded UTF-8 is not decoded", arguments: ["%", "a%2", "%zz", "%2 0", "%C3", "%FF"])
    func invalid(_ text: String) {
        #expect(PercentEncoding.decode(text) == nil)
    }

    @Test("times are written and read in the formats of S3")
    func times() {
        // The times in AWS's documentation and in RFC 9110, section 5.6.7, as `date -u +%s` converts them.
        #expect(Timestamp.compact(1_369_353_600) == "20130524T000000Z")
        #expect(Timestamp.parseISO("2009-10-12T17:50:30.000Z") == 1_255_369_830)
        #expect(Timestamp.parseISO("2009-10-12T17:50:30Z") == 1_255_369_830)
        #expect(Timestamp.parseHTTP("Sun, 06 Nov 1994 08:49:37 GMT") == 784_111_777)
    }

    @Test(
        "other texts are no times",
        arguments: ["", "Z", "2009-10-12", "2009-10-12T17:50:30", "2009-10-12T17:50:30.0x0Z", "٢٠٠٩-10-12T17:50:30Z"])
    func noTimes(_ text: String) {
        #expect(Timestamp.parseISO(text) == nil)
    }

    @Test("text from an engine is one bounded line in a log")
    func printableText() {
        #expect(printable("a\nb\u{1b}[31m\u{202e}c") == "a b [31m c")
        #expect(printable(String(repeating: "x", count: 5000)).count == 300)
    }
}

@Suite("Endpoints")
struct EndpointTests {
    @Test(
        "an endpoint is a URL without a path",
        arguments: [
            ("https://s3.eu-central-1.amazonaws.com", "https://s3.eu-central-1.amazonaws.com"),
            ("HTTP://Engine.Example:8333/", "http://engine.example:8333"), ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("https://host:443", "https://host"), ("http://host:443", "http://host:443"),
            ("http://[::1]:8333", "http://[::1]:8333"), ("http://[::1]", "http://[::1]"),
        ])
    func valid(_ text: String, _ expected: String) {
        #expect(Endpoint(text)?.description == expected)
    }

    @Test(
        "anything else is not",
        arguments: [
            "", "host", "ftp://host", "https://", "https://host/path", "https://host?query", "https://user@host",
            "https://host:0", "https://host:65536", "https://host:", "https://ho st", "https://[::1", "https://::1",
            "https://host\r\n",
        ])
    func invalid(_ text: String) {
        #expect(Endpoint(text) == nil)
    }

    @Test("AWS gets the bucket in the host, except for names that its certificates do not cover")
    func style() throws {
        let aws = try #require(Endpoint.aws(region: "eu-central-1"))
        #expect(aws.usualStyle(for: "uploads") == .host)
        #expect(aws.usualStyle(for: "uploads.example.org") == .path)
        #expect(try #require(Endpoint("http://127.0.0.1:8333")).usualStyle(for: "uploads") == .path)
        #expect(try #require(Endpoint("https://amazonaws.com.example.org")).usualStyle(for: "uploads") == .path)
        let china = try #require(Endpoint.aws(region: "cn-north-1"))
        #expect(china.host == "s3.cn-north-1.amazonaws.com.cn" && china.usualStyle(for: "uploads") == .host)
    }

    @Test(
        "only addresses of this machine, and its usual name, are loopback",
        arguments: [
            ("http://127.0.0.1:1", true), ("http://127.255.0.1", true), ("http://[::1]", true),
            ("http://[0:0::1]", true),
            ("http://localhost", true), ("http://127.example.org", false), ("http://128.0.0.1", false),
            ("http://[::2]", false), ("http://local", false),
        ])
    func loopback(_ url: String, _ isLoopback: Bool) throws {
        #expect(try #require(Endpoint(url)).isLoopback == isLoopback)
    }
}

@Suite("Pauses between tries")
struct BackoffTests {
    @Test("the limit grows to three seconds, and a pause is a random part of it")
    func limits() {
        #expect(
            (1...6).map { Backoff.milliseconds(after: $0, asked: nil, random: 1) } == [
                100, 500, 2500, 3000, 3000, 3000,
            ])
        #expect(Backoff.milliseconds(after: 3, asked: nil, random: 0) == 0)
        #expect(Backoff.milliseconds(after: 3, asked: nil, random: 0.5) == 1250)
    }

    @Test("a longer pause that the engine asks for is respected")
    func asked() {
        #expect(Backoff.milliseconds(after: 1, asked: 7, random: 1) == 7000)
        #expect(Backoff.milliseconds(after: 1, asked: .max, random: 1) == 3_600_000)
    }
}
