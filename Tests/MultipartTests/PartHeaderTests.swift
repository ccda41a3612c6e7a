import Multipart
import MultipartTestSupport
import Testing

@Suite("The header of a part")
struct PartHeaderTests {
    @Test(
        "Name and file name are read however they are written",
        arguments: [
            ("form-data; name=\"a\"", "a", nil),
            ("form-data; name=a", "a", nil),
            ("form-data;name=a;filename=f", "a", "f"),
            ("form-data; filename=\"f\"; name=\"a\"", "a", "f"),
            ("Form-Data ; NAME = a ; FileName = \"f\" ;", "a", "f"),
            ("form-data; name=\"\"", "", nil),
            ("form-data; name=a; filename=\"\"", "a", ""),
            ("form-data; name=\"a;b=c\"; filename=\"d; name=x\"", "a;b=c", "d; name=x"),
            // RFC 7578, section 4.2: file names in the form's encoding, as they are.
            ("form-data; name=a; filename=\"文件 ü😀.txt\"", "a", "文件 ü😀.txt"),
            ("form-data; name=a; filename=with/slash.txt", "a", "with/slash.txt"),
            // Escapes of RFC 822 quoted strings, and backslashes that are none.
            ("form-data; name=\"a\\\"b\"; filename=\"\\\"\\\\\"", "a\"b", "\"\\"),
            ("form-data; name=a; filename=\"C:\\dir\\f.txt\"", "a", "C:\\dir\\f.txt"),
            ("form-data; name=a; filename=\"f\\\"", "a", "f\\"),
            // WHATWG HTML, multipart/form-data encoding algorithm.
            ("form-data; name=\"a%22b\"; filename=\"%22%0D%0A\"", "a\"b", "\"\r\n"),
            ("form-data; name=a; filename=\"100%25 %0d %2 %\"", "a", "100%25 %0d %2 %"),
            // RFC 8187, section 3.2.3, its own two values.
            ("form-data; name=a; filename*=iso-8859-1'en'%A3%20rates", "a", "£ rates"),
            ("form-data; name=a; filename*=UTF-8''%c2%a3%20and%20%e2%82%ac%20rates", "a", "£ and € rates"),
            // RFC 6266, section 4.3: the extended one is preferred, and passed over where it can't be read.
            ("form-data; name=a; filename=\"EURO\"; filename*=utf-8''%e2%82%ac", "a", "€"),
            ("form-data; name=a; filename*=utf-8''%e2%82%ac; filename=\"EURO\"", "a", "€"),
            ("form-data; name=a; filename=f; filename*=utf-8''%ff", "a", "f"),
            ("form-data; name=a; filename=f; filename*=utf-8''%4", "a", "f"),
            ("form-data; name=a; filename=f; filename*=koi8-r''x", "a", "f"),
            ("form-data; name=a; filename=f; filename*=x", "a", "f"),
            ("form-data; name=a; filename=f; filename*=utf-8'x", "a", "f"),
        ])
    func disposition(_ value: String, _ name: String, _ filename: String?) {
        let expected = [Part(name, filename: filename, data: "x")]
        #expect(parts(form("Content-Disposition: \(value)")) == expected)
        #expect(parts(form("content-disposition:\(value)\t ")) == expected)
    }

    @Test("A name that is not UTF-8 keeps its bytes")
    func bytes() {
        let body = Array("--b\r\nContent-Disposition: form-data; name=\"".utf8) + [0xE9, 0xFF]
        let outcome = parse(body + Array("\"\r\n\r\n\r\n--b--".utf8))
        #expect(outcome.parts.map(\.name) == [[0xE9, 0xFF]])
    }

    @Test("A folded header is one header")
    func folded() {
        let header =
            "Content-Disposition: form-data;\r\n\tname=\"a\";\r\n  filename=\"x\r\n y\"\r\nContent-Type:\r\n text/plain"
        #expect(parts(form(header)) == [Part("a", filename: "x y", type: "text/plain", data: "x")])
    }

    @Test("The media type has its parameters, and is nil if it is invalid")
    func contentType() throws {
        let disposition = "Content-Disposition: form-data; name=a"
        let typed = form("Content-Type: Text/Plain;charset=UTF-8\r\n\(disposition)\r\nX-Unknown: y")
        let type = try #require(parts(typed)?.first?.contentType)
        #expect(type.essence == "text/plain" && type.parameters["charset"] == Array("UTF-8".utf8))
        for none in ["", "\r\nContent-Type:", "\r\nContent-Type: foo"] {
            #expect(parts(form(disposition + none)) == [Part("a", data: "x")])
        }
    }

    @Test(
        "A transfer encoding that changes no byte is taken, in any case",
        arguments: ["7bit", "8bit", "binary", "BINARY"])
    func transferEncoding(_ encoding: String) {
        let header = "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: \(encoding)"
        #expect(parts(form(header)) == [Part("a", data: "x")])
    }

    @Test(
        "A header that is wrong is refused with its own error",
        arguments: [
            ("X: y", MultipartError.dispositionMissing),
            ("Content-Disposition: attachment; name=a", .dispositionNotFormData),
            ("Content-Disposition: form-data2; name=a", .dispositionNotFormData),
            ("Content-Disposition: ; name=a", .dispositionNotFormData),
            ("Content-Disposition: form-data", .nameMissing),
            ("Content-Disposition: form-data; filename=f", .nameMissing),
            ("Content-Disposition: form-data; name", .malformedDisposition),
            ("Content-Disposition: form-data; name=", .malformedDisposition),
            ("Content-Disposition: form-data; name=\"a", .malformedDisposition),
            ("Content-Disposition: form-data; name=\"a\"b", .malformedDisposition),
            ("Content-Disposition: form-data; name=a b", .malformedDisposition),
            ("Content-Disposition: form-data; name=a\"b", .malformedDisposition),
            ("Content-Disposition: form-data; name=a; name=a", .malformedDisposition),
            ("Content-Disposition: form-data; name=a; filename=f; FILENAME=g", .malformedDisposition),
            ("Content-Disposition: form-data; name=a; filename*=utf-8''%ff", .malformedDisposition),
            ("Content-Disposition: form-data; name=a\r\ncontent-disposition: form-data; name=a", .repeatedHeader),
            ("Content-Type: a/b\r\nContent-Type: a/b\r\nContent-Disposition: form-data; name=a", .repeatedHeader),
            ("Content-Disposition: form-data; name=a\r\nno colon", .malformedHeaderLine),
            ("Content-Disposition : form-data; name=a", .malformedHeaderLine),
            (": form-data; name=a", .malformedHeaderLine),
            (" Content-Disposition: form-data; name=a", .malformedHeaderLine),
            ("Content-Disposition: form-data; name=\"a\0b\"", .nulInHeader),
            ("Content-Disposition: form-data; name=a\nX: y", .bareLineBreak),
            ("Content-Disposition: form-data; name=a\rX: y", .bareLineBreak),
            ("Content-Disposition: form-data; name=a\r\r\nX: y", .bareLineBreak),
            (
                "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64",
                .transferEncodingUnsupported
            ),
            ("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding:", .transferEncodingUnsupported),
        ])
    func wrong(_ header: String, _ error: MultipartError) {
        #expect(parse(form(header)) == Outcome(error: error))
    }

    @Test("The name of a header field consists of the characters of RFC 9110, section 5.6.2, and of no others")
    func fieldNames() {
        let tokens = Set("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        let disposition = "Content-Disposition: form-data; name=a\r\n"
        // A NUL and the characters of a line break have errors of their own, and a colon ends the name.
        for byte in UInt8.min...UInt8.max where !"\0\n\r:".utf8.contains(byte) {
            let body = Array("--b\r\n\(disposition)X".utf8) + [byte] + Array("Y: z\r\n\r\nx\r\n--b--".utf8)
            #expect(parse(body).error == (tokens.contains(byte) ? nil : .malformedHeaderLine), "byte \(byte)")
        }
    }

    @Test("A part without any header is refused")
    func noHeader() {
        #expect(parse("--b\r\n\r\nx\r\n--b--") == Outcome(error: .dispositionMissing))
    }
}
