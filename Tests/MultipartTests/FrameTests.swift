import Multipart
import MultipartTestSupport
import Testing

@Suite("The frame of a body")
struct FrameTests {
    private static let a = "Content-Disposition: form-data; name=\"a\"\r\n\r\n"

    @Test("The example of RFC 2046, section 5.1.1, as a form: preamble, two parts, epilogue")
    func rfc2046() {
        // The RFC's two parts, the line breaks around delimiters belonging to the delimiters: the first text does not
        // end in a line break, the second one does.
        let body = """
            This is the preamble.  It is to be ignored, though it
            is a handy place for composition agents to include an
            explanatory note to non-MIME conformant readers.

            --simple boundary
            Content-Disposition: form-data; name=implicit

            This is implicitly typed plain US-ASCII text.
            It does NOT end with a linebreak.
            --simple boundary
            Content-Disposition: form-data; name=explicit
            Content-type: text/plain; charset=us-ascii

            This is explicitly typed plain US-ASCII text.
            It DOES end with a linebreak.

            --simple boundary--

            This is the epilogue.  It is also to be ignored.
            """
        let wire = body.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n")
        let first = "This is implicitly typed plain US-ASCII text.\r\nIt does NOT end with a linebreak."
        let second = "This is explicitly typed plain US-ASCII text.\r\nIt DOES end with a linebreak.\r\n"
        let expected = [
            Part("implicit", data: first), Part("explicit", type: "text/plain; charset=us-ascii", data: second),
        ]
        #expect(parts(wire, boundary: "simple boundary") == expected)
    }

    @Test("The examples of RFC 7578, sections 4.5 and 4.6: fields with a charset")
    func rfc7578() {
        // Section 4.5 shows its field in quoted-printable. Section 4.7 deprecates that, and it is refused: the part's
        // bytes would not be the value's. Here the field is also sent as clients send it, as it is.
        let printed =
            "--AaB03x\r\ncontent-disposition: form-data; name=\"field1\"\r\ncontent-type: text/plain;charset=UTF-8\r\n"
            + "content-transfer-encoding: quoted-printable\r\n\r\nJoe owes =E2=82=AC100.\r\n--AaB03x--\r\n"
        #expect(parse(printed, boundary: "AaB03x") == Outcome(error: .transferEncodingUnsupported))
        let body =
            "--AaB03x\r\ncontent-disposition: form-data; name=\"_charset_\"\r\n\r\niso-8859-1\r\n"
            + "--AaB03x\r\ncontent-disposition: form-data; name=\"field1\"\r\n"
            + "content-type: text/plain;charset=UTF-8\r\n\r\nJoe owes €100.\r\n--AaB03x--\r\n"
        let expected = [
            Part("_charset_", data: "iso-8859-1"),
            Part("field1", type: "text/plain; charset=UTF-8", data: "Joe owes €100."),
        ]
        #expect(parts(body, boundary: "AaB03x") == expected)
    }

    @Test(
        "These bodies are one part `a` with the data `x`",
        arguments: [
            "--b\r\n\(a)x\r\n--b--\r\n",
            "--b\r\n\(a)x\r\n--b--",
            "\r\n--b\r\n\(a)x\r\n--b--",
            "preamble\r\n--b\r\n\(a)x\r\n--b--\r\nepilogue",
            "--bpreamble\r\n--b\r\n\(a)x\r\n--b--\r\n--b\r\nepilogue",
            "--b \t\r\n\(a)x\r\n--b-- \t\r\n",
            "\r\r\n--b\r\n\(a)x\r\n--b--",
        ])
    func one(_ body: String) {
        #expect(parts(body) == [Part("a", data: "x")])
    }

    @Test("A part may be empty, with the delimiter's line break or with that of the header's end")
    func empty() {
        #expect(parts("--b\r\n\(Self.a)\r\n--b--") == [Part("a")])
        #expect(parts("--b\r\n\(Self.a)--b--") == [Part("a")])
        #expect(parts("--b\r\n\(Self.a)--b\r\n\(Self.a)x\r\n--b--") == [Part("a"), Part("a", data: "x")])
    }

    @Test("A form may have no part", arguments: ["--b--", "--b--\r\n", "\r\n--b--", "x\r\n--b--"])
    func none(_ body: String) {
        #expect(parts(body) == [])
    }

    @Test(
        "Bytes that only resemble a delimiter are data",
        arguments: [
            "\r", "\n", "\r\n", "\r\r", "\r\n\r\n", "-", "--", "--bX", "\r\n--", "\r\n--X", "\r\n--bX", "\r\n--b2",
            "\r\n--b-", "\r\n--b-\r\n", "\r\n--b -- ", "\r\n--b \tX", "\r\n--b\r", "\r\n--b \rX", "\r\n--b\nX", "\0",
            "\n--b--", "x--b--", "\r--b--", "\r\n-b--", "\r\n --b--", "\r\n\r\n--b2\r\n--bX--", "\r\n--b \r\r\n--b\r",
            "\r\n--B--",
        ])
    func data(_ data: String) {
        for value in [data, "x\(data)", "\(data)x", "x\(data)\(data)x"] {
            #expect(parts("--b\r\n\(Self.a)\(value)\r\n--b--") == [Part("a", data: value)])
        }
    }

    @Test("A boundary that begins with another one, or with hyphens, is not mixed up with it")
    func similar() {
        let inner = "--outer2\r\n\(Self.a)\r\n--outer2--"
        #expect(parts("--outer\r\n\(Self.a)\(inner)\r\n--outer--", boundary: "outer") == [Part("a", data: inner)])
        #expect(parts("----\r\n\(Self.a)--\r\n------", boundary: "--") == [Part("a", data: "--")])
        #expect(parts("---\r\n\(Self.a)\r\n--\r\n-----", boundary: "-") == [Part("a", data: "\r\n--")])
    }

    @Test(
        "A body that ends before its close delimiter is cut short",
        arguments: ["", "x", "--b", "--b-", "--b\r\n", "--b\r\n\(a)", "--b\r\n\(a)x", "--b\r\n\(a)x\r\n--b", "\n--b--"])
    func truncated(_ body: String) {
        let outcome = parse(body)
        #expect(outcome.error == .truncated && !outcome.ended && outcome.parts.isEmpty)
    }

    private static let lf = "Content-Disposition: form-data; name=a\n\n"

    @Test(
        "A body whose first delimiter line ends in LF has LF for every line break, and is otherwise read alike",
        arguments: [
            "--b\n\(lf)x\n--b--\n", "--b\n\(lf)x\n--b--", "--b \t\n\(lf)x\n--b-- \t\n", "--b\n\(lf)x\n--b--\nepilogue",
            "--b\nX: y\n\(lf)x\n--b--",
        ])
    func lineFeeds(_ body: String) {
        #expect(parts(body) == [Part("a", data: "x")])
        for cut in 0...body.utf8.count { #expect(parse(body, cuts: [cut]) == parse(body), "cut at \(cut)") }
        #expect(parse(body, cuts: Array(0...body.utf8.count)) == parse(body))
    }

    @Test(
        "In such a body, too, only a whole delimiter line is no data",
        arguments: [
            "\r", "\r\n", "\n", "\n\n", "\n--", "\n--b2", "\n--b-", "\n--b -- ", "\n--b\r", "\n--b \tX", "x--b--",
        ])
    func lineFeedData(_ data: String) {
        for value in [data, "x\(data)", "\(data)x", "x\(data)\(data)x"] {
            #expect(parts("--b\n\(Self.lf)\(value)\n--b--") == [Part("a", data: value)])
        }
        #expect(parts("--b\n\(Self.lf)\n--b\n\(Self.lf)y\n--b--") == [Part("a", data: ""), Part("a", data: "y")])
        #expect(parts("--b\n\(Self.lf)--b--") == [Part("a", data: "")])
        #expect(parts("--b--\n") == [])
    }

    @Test("One body never mixes the two line breaks")
    func mixedLineBreaks() {
        #expect(parse("--b\n\(Self.a)x\n--b--\n").error == .bareLineBreak)
        // A delimiter line that ends in CR LF is data here.
        #expect(
            parts("--b\n\(Self.lf)x\r\n--b\r\ny\r\n--b--") == [Part("a", data: "x\r\n--b\r\ny\r")])
        #expect(parts("--b\n\(Self.lf)x\r\n--b--") == [Part("a", data: "x\r")])
        #expect(parse("--b\r\n\(Self.lf)x\r\n--b--").error == .bareLineBreak)
        #expect(parse("--b\r\n\(Self.a)x\n--b--").error == .truncated)
        // Only the first line of the body decides; LF in front of a delimiter is part of a preamble.
        #expect(parse("\n--b\n\(Self.lf)x\n--b--").error == .truncated)
        #expect(parse("\r\n--b\n\(Self.lf)x\n--b--").error == .truncated)
    }

    @Test("A parser that has failed repeats its error, also at the end")
    func failed() throws {
        var parser = MultipartParser(boundary: try Boundary(contentType: "multipart/form-data; boundary=b".utf8))
        let input = Array("--b\r\nX\r\n\r\n--b--".utf8)
        input.withUnsafeBytes { bytes in
            for _ in 0..<2 {
                var offset = 0
                #expect(throws: MultipartError.malformedHeaderLine) { try parser.next(bytes, at: &offset) }
            }
        }
        #expect(throws: MultipartError.malformedHeaderLine) { try parser.finish() }
    }

    @Test("Data are ranges of the input, in one piece up to what may be a delimiter; held data are handed out once")
    func ranges() throws {
        var parser = MultipartParser(boundary: try Boundary(contentType: "multipart/form-data; boundary=b".utf8))
        func events(_ text: String) throws -> [MultipartEvent] {
            try Array(text.utf8).withUnsafeBytes { bytes in
                var events: [MultipartEvent] = []
                var offset = 0
                while let event = try parser.next(bytes, at: &offset) { events.append(event) }
                #expect(offset == bytes.count)
                return events
            }
        }
        #expect(try events("--b\r\n\(Self.a)").count == 1)
        #expect(try events("12\r\n--b3\r\r4\r\n--") == [.data(0..<11)])
        #expect(try events("b  X5") == [.heldData(Array("\r\n--b  ".utf8)[...]), .data(3..<5)])
        #expect(try events("6\r\n--b--\r\n") == [.data(0..<1), .partEnded, .ended])
        #expect(throws: Never.self) { try parser.finish() }
    }
}
