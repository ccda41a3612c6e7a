import Multipart
import MultipartTestSupport
import Testing

@Suite("Cuts")
struct SplitTests {
    private static let header = "Content-Disposition: form-data; name=\"n\\\"m\"; filename=\"%22\"\r\nContent-Type: a/b"
    private static let bodies = [
        "--b--",
        "--b\r\nContent-Disposition:form-data;name=a\r\n\r\n--b--",
        "--b\r\nContent-Disposition:form-data;name=a\r\n\r\n\r\n--bX\r\n--b -\r\r\n--b \t\r\n"
            + "Content-Disposition:form-data;\r\n name=c\r\n\r\n--b-\r\n--b--\r\nend",
        "pre\r\n--b2\r\n--b  \r\n\(header)\r\n\r\n\r\r\n\r\n-\r\n--\r\n--b\t\rX\r\n--b\r\n\(header)\r\n\r\n\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b\r\nX: y\r\n\r\n",
        "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b",
        "--b\r\nContent-Disposition: form-data; name=a\nX: y\r\n\r\nx\r\n--b--",
    ]

    @Test("Cut in two anywhere, or into single bytes, a body gives the same events", arguments: bodies)
    func two(_ body: String) {
        let whole = parse(body)
        for cut in 0...body.utf8.count {
            #expect(parse(body, cuts: [cut]) == whole, "cut at \(cut)")
        }
        #expect(parse(body, cuts: Array(0...body.utf8.count)) == whole)
    }

    @Test("Cut in three anywhere, a body gives the same events", arguments: bodies[...2])
    func three(_ body: String) {
        let whole = parse(body)
        for first in 0...body.utf8.count {
            for second in first...body.utf8.count {
                #expect(parse(body, cuts: [first, second]) == whole, "cut at \(first) and \(second)")
            }
        }
    }

    @Test("The bodies that are cut here are what they are meant to be")
    func meaning() {
        #expect(Self.bodies.map { parse($0).parts.count } == [0, 1, 2, 2, 1, 0, 0])
        #expect(Self.bodies.map { parse($0).ended } == [true, true, true, true, false, false, false])
        #expect(parts(Self.bodies[2]) == [Part("a", data: "\r\n--bX\r\n--b -\r"), Part("c", data: "--b-")])
    }
}
