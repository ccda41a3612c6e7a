import HTTP
import TestSupport
import Testing

/// The decoding rules are those of `application/x-www-form-urlencoded` parsing (WHATWG URL, section 5.1). Bytes that
/// are not UTF-8 are an error, and there is a limit (PROTOCOL.md, Parameters).
@Suite("Query strings")
struct QueryStringTests {
    typealias Pair = (name: String, value: String)

    private func check(_ query: String, _ expected: [Pair], _ location: SourceLocation = #_sourceLocation) throws {
        let found = try QueryString.parse(query, maximumCount: 100)
        #expect(found.map(\.name) == expected.map(\.name), sourceLocation: location)
        #expect(found.map(\.value) == expected.map(\.value), sourceLocation: location)
    }

    @Test("names and values stand in the order of the query")
    func order() throws {
        try check("b=2&a=1&b=3", [("b", "2"), ("a", "1"), ("b", "3")])
    }

    @Test("an empty query has no parameters, and empty pairs count for nothing")
    func empty() throws {
        try check("", [])
        try check("&&", [])
        try check("&a=1&&b=2&", [("a", "1"), ("b", "2")])
    }

    @Test("a plus sign is a space, a plus sign written as %2B is a plus sign")
    func plus() throws {
        try check("my+name=a+b%2Bc", [("my name", "a b+c")])
    }

    @Test("percent triplets are bytes of UTF-8, with digits in either case")
    func percent() throws {
        try check("n=%E4%B8%AD%e6%96%87.mp4&%61=%20", [("n", "中文.mp4"), ("a", " ")])
        try check("n=%F0%9F%8E%89", [("n", "🎉")])
    }

    @Test(
        "a percent sign without two hexadecimal digits stands for itself",
        arguments: ["100%", "%", "%4", "%g1", "%1g", "%%", "% 1", "%-1"])
    func brokenPercent(_ text: String) throws {
        try check("n=\(text)", [("n", text)])
    }

    @Test("behind a broken percent sign decoding goes on")
    func brokenThenWhole() throws {
        try check("n=%%41&m=%4%41", [("n", "%A"), ("m", "%4A")])
    }

    @Test("nothing is decoded twice")
    func once() throws {
        try check("n=%2541%2B%26%3D", [("n", "%41+&=")])
    }

    @Test("only the first equals sign parts name and value")
    func equals() throws {
        try check("a=b=c&d==", [("a", "b=c"), ("d", "=")])
    }

    @Test("a name without a value, and a value without a name, are kept")
    func halves() throws {
        try check("a&b=&=c&=", [("a", ""), ("b", ""), ("", "c"), ("", "")])
    }

    @Test("a NUL byte is kept: whether it may stand there is for others to say")
    func nul() throws {
        try check("a=x%00y", [("a", "x\0y")])
    }

    @Test(
        "bytes that are not UTF-8 are an error",
        arguments: ["n=%FF", "%C3=1", "n=%C3%28", "n=%ED%A0%80", "n=%C0%AF", "n=%F4%90%80%80", "ok=1&n=%E4%B8"])
    func notUTF8(_ query: String) {
        #expect(throws: QueryError.notUTF8) { try QueryString.parse(query, maximumCount: 100) }
    }

    @Test("as many parameters as the limit allows are read, one more is an error")
    func limit() throws {
        let three = "a=1&b=2&c=3"
        #expect(try QueryString.parse(three, maximumCount: 3).count == 3)
        #expect(throws: QueryError.tooManyParameters(limit: 2)) { try QueryString.parse(three, maximumCount: 2) }
        #expect(try QueryString.parse("&&&&a=1&&&&", maximumCount: 1).count == 1)
        #expect(try QueryString.parse("", maximumCount: 0).isEmpty)
        #expect(throws: QueryError.tooManyParameters(limit: 0)) { try QueryString.parse("a", maximumCount: 0) }
    }

    @Test("every string comes back from the way a form writes it")
    func roundTrip() throws {
        var random = SplitMix64(seed: 7)
        for _ in 0..<500 {
            let pairs: [Pair] = (0..<Int.random(in: 1...6, using: &random)).map { _ in
                (someText(using: &random), someText(using: &random))
            }
            let query = pairs.map { encode($0.name) + "=" + encode($0.value) }.joined(separator: "&")
            try check(query, pairs)
        }
    }

    private func someText(using random: inout SplitMix64) -> String {
        let scalars: [Unicode.Scalar] = ["a", "Z", "0", "&", "=", "+", "%", " ", "\0", "\n", "ü", "中", "🎉", "\u{301}"]
        var text = ""
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            text.unicodeScalars.append(scalars[Int.random(in: 0..<scalars.count, using: &random)])
        }
        return text
    }

    /// WHATWG URL, "application/x-www-form-urlencoded percent-encode set".
    private func encode(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.reduce(into: "") { result, byte in
            switch byte {
            case UInt8(ascii: " "):
                result.append("+")
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                result += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }
    }
}
