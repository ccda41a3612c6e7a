import Multipart
import Testing

@Suite("Content-Type")
struct MediaTypeTests {
    private func boundary(_ value: String) throws(MultipartError) -> String {
        String(decoding: try Boundary(contentType: value.utf8).bytes, as: UTF8.self)
    }

    @Test(
        "The boundary is found quoted or not, whatever the order, the case and the padding",
        arguments: [
            // RFC 2046, section 5.1.1, and RFC 7578, section 4.1.
            ("multipart/form-data; boundary=gc0p4Jq0M2Yt08jU534c0p", "gc0p4Jq0M2Yt08jU534c0p"),
            ("multipart/form-data; boundary=\"gc0pJq0M:08jU534c0p\"", "gc0pJq0M:08jU534c0p"),
            ("multipart/form-data;boundary=AaB03x", "AaB03x"),
            ("multipart/form-data; charset=utf-8; boundary=x", "x"),
            ("Multipart/Form-Data; BOUNDARY=xY", "xY"),
            ("multipart/form-data ; boundary = \"a b\" ; charset=\"utf-8;boundary=no\"", "a b"),
            ("multipart/form-data;; boundary=x;", "x"),
            ("multipart/form-data; boundary=----=_Part/1", "----=_Part/1"),
        ])
    func boundaries(_ value: String, _ expected: String) throws {
        #expect(try boundary(value) == expected)
    }

    @Test("A boundary has 1 to 70 characters of bchars and doesn't end in a space")
    func rules() throws {
        let longest = String(repeating: "x", count: 70)
        #expect(try boundary("multipart/form-data; boundary=\(longest)") == longest)
        let all = "'()+_,-./:=? 09azAZ"
        #expect(try boundary("multipart/form-data; boundary=\"\(all)\"") == all)
        for wrong in [longest + "x", "", "x ", " ", "a\tb", "a@b", "a;b", "a[b", "a中b", "a\r\nb", "a\0b"] {
            #expect(throws: MultipartError.boundaryInvalid, "\(wrong)") {
                try boundary("multipart/form-data; boundary=\"\(wrong)\"")
            }
        }
    }

    @Test("Another type and a form without a boundary have different errors")
    func errors() {
        #expect(throws: MultipartError.notFormData) { try boundary("application/octet-stream") }
        #expect(throws: MultipartError.notFormData) { try boundary("multipart/mixed; boundary=x") }
        #expect(throws: MultipartError.boundaryMissing) { try boundary("multipart/form-data") }
        #expect(throws: MultipartError.boundaryMissing) { try boundary("multipart/form-data; boundary2=x") }
    }

    @Test(
        "An invalid media type is refused",
        arguments: [
            "", ";", "text", "text/", "/plain", "a/b/c", "text /plain", "text/plain x", "text/plain; a",
            "text/plain; a=",
            "text/plain; =b", "text/plain; a=\"b", "text/plain; a=b c=d", "text/plain; a=b\"c", "text/plain; a=\"b\"c",
            "text/plain; a=1; A=2", "text/plain, text/html", "téxt/plain",
        ])
    func malformed(_ value: String) {
        #expect(throws: MultipartError.malformedMediaType) { try MediaType(value.utf8) }
    }

    @Test("Type and subtype are in lower case, values as they came")
    func values() throws {
        let type = try MediaType("Application/Octet-Stream; Name=\"A\\\"b\\\\c\\d\"".utf8)
        #expect(type.type == "application" && type.subtype == "octet-stream")
        #expect(type.essence == "application/octet-stream")
        #expect(type.parameters == ["name": Array("A\"b\\c\\d".utf8)])
    }

    @Test("1,024 bytes and 16 parameters are taken, one more is not")
    func limits() throws {
        func type(_ length: Int) -> [UInt8] {
            Array("a/".utf8) + Array(repeating: UInt8(ascii: "x"), count: length - 2)
        }
        #expect(try MediaType(type(1024)).subtype.utf8.count == 1022)
        #expect(throws: MultipartError.malformedMediaType) { try MediaType(type(1025)) }
        func many(_ count: Int) -> String { "a/b" + (0..<count).map { "; p\($0)=v" }.joined() }
        #expect(try MediaType(many(16).utf8).parameters.count == 16)
        #expect(throws: MultipartError.malformedMediaType) { try MediaType(many(17).utf8) }
    }
}
