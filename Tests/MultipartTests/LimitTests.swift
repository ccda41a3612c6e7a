import Multipart
import MultipartTestSupport
import Testing

@Suite("Limits")
struct LimitTests {
    private func expect(
        _ body: String, taken: MultipartLimits, refused: MultipartLimits, with error: MultipartError,
        location: SourceLocation = #_sourceLocation
    ) {
        let bytes = Array(body.utf8)
        for cuts in [[], Array(0..<bytes.count)] {
            let whole = parse(bytes, cuts: cuts, limits: taken)
            #expect(whole.error == nil && whole.ended, sourceLocation: location)
            #expect(parse(bytes, cuts: cuts, limits: refused).error == error, sourceLocation: location)
        }
    }

    private let header = "Content-Disposition: form-data; name=abc"

    @Test("Parts, just at the limit and over it")
    func parts() {
        let part = "--b\r\n\(header)\r\n\r\nx\r\n"
        expect(
            "\(part)\(part)\(part)--b--", taken: MultipartLimits(parts: 3), refused: MultipartLimits(parts: 2),
            with: .tooManyParts(limit: 2))
        let outcome = parse("\(part)\(part)\(part)--b--", limits: MultipartLimits(parts: 2))
        #expect(outcome.parts == [Part("abc", data: "x"), Part("abc", data: "x")])
    }

    @Test("Lines and bytes of a header, and its name")
    func partHeader() {
        let body = form("\(header);\r\n filename=f\r\nX: y")
        expect(
            body, taken: MultipartLimits(headerLines: 3), refused: MultipartLimits(headerLines: 2),
            with: .tooManyHeaderLines(limit: 2))
        // The header with the line break of its last line and the empty line.
        let size = header.utf8.count + 4
        expect(
            form(header), taken: MultipartLimits(headerBytes: size), refused: MultipartLimits(headerBytes: size - 1),
            with: .headerTooLong(limit: size - 1))
        expect(
            form(header), taken: MultipartLimits(nameBytes: 3), refused: MultipartLimits(nameBytes: 2),
            with: .nameTooLong(limit: 2))
    }

    @Test("The limits of a header hold for each part by itself")
    func eachHeader() {
        let part = "--b\r\n\(header)\r\nX: y\r\n\r\n12\r\n"
        let size = header.utf8.count + 10
        let outcome = parse(
            "\(part)\(part)\(part)--b--", limits: MultipartLimits(headerLines: 2, headerBytes: size, fieldBytes: 2))
        #expect(outcome.parts.count == 3 && outcome.ended)
    }

    @Test("70,000 header lines in one part end at the limit")
    func headerLines() {
        let body = "--b\r\n" + String(repeating: "a: b\r\n", count: 70_000)
        #expect(parse(body) == Outcome(error: .tooManyHeaderLines(limit: 32)))
    }

    @Test("Bytes of one field and of all fields; files don't count")
    func fields() {
        let field = "--b\r\n\(header)\r\n\r\n12345\r\n"
        let file = "--b\r\n\(header); filename=f\r\n\r\n1234567890\r\n"
        let body = "\(field)\(file)\(field)--b--"
        expect(
            body, taken: MultipartLimits(fieldBytes: 5), refused: MultipartLimits(fieldBytes: 4),
            with: .fieldTooLong(limit: 4))
        expect(
            body, taken: MultipartLimits(allFieldBytes: 10), refused: MultipartLimits(allFieldBytes: 9),
            with: .fieldsTooLong(limit: 9))
    }

    @Test("The data within a field's limit are returned before the error, held data as well")
    func handedOut() {
        let data = "12\r\n--bX"
        for limit in 0..<data.utf8.count {
            for cuts in [[], Array(0..<(form(header).utf8.count))] {
                let outcome = parse(form(header, data: data), cuts: cuts, limits: MultipartLimits(fieldBytes: limit))
                #expect(outcome.begun?.data == Array(data.utf8.prefix(limit)))
                #expect(outcome.error == .fieldTooLong(limit: limit) && outcome.parts.isEmpty)
            }
        }
    }

    @Test("A part that the caller takes for a file has no field limits")
    func treatedAsFile() throws {
        let value = "multipart/form-data; boundary=b"
        var parser = MultipartParser(
            boundary: try Boundary(contentType: value.utf8), limits: MultipartLimits(fieldBytes: 0))
        var received = 0
        try Array(form(header, data: "--bX").utf8).withUnsafeBytes { bytes in
            var offset = 0
            while let event = try parser.next(bytes, at: &offset) {
                switch event {
                case .partBegan: parser.treatPartAsFile()
                case .data(let range): received += range.count
                case .heldData(let held): received += held.count
                case .partEnded, .ended: break
                }
            }
        }
        #expect(received == 4)
        #expect(throws: Never.self) { try parser.finish() }
    }

    @Test("Preamble, epilogue and padding")
    func frame() {
        expect(
            "12345\r\n\(form(header))", taken: MultipartLimits(preambleBytes: 5),
            refused: MultipartLimits(preambleBytes: 4), with: .preambleTooLong(limit: 4))
        expect(
            "\(form(header))123", taken: MultipartLimits(epilogueBytes: 5), refused: MultipartLimits(epilogueBytes: 4),
            with: .epilogueTooLong(limit: 4))
        expect(
            "--b \t \r\n\(header)\r\n\r\nx\r\n--b--", taken: MultipartLimits(paddingBytes: 3),
            refused: MultipartLimits(paddingBytes: 2), with: .paddingTooLong(limit: 2))
        // Also behind data, where the rest of the line would make it data; what is before it has been handed out.
        let body = form(header, data: "x\r\n--b   y")
        let limits = [MultipartLimits(paddingBytes: 3), MultipartLimits(paddingBytes: 2)]
        expect(body, taken: limits[0], refused: limits[1], with: .paddingTooLong(limit: 2))
        #expect(parse(body, limits: limits[1]).begun?.data == Array("x".utf8))
    }

    @Test("Every error has a line of its own for the client, with its figure")
    func messages() {
        let errors: [MultipartError] = [
            .malformedMediaType, .notFormData, .boundaryMissing, .boundaryInvalid, .truncated,
            .preambleTooLong(limit: 123), .epilogueTooLong(limit: 123), .paddingTooLong(limit: 123),
            .tooManyParts(limit: 123), .tooManyHeaderLines(limit: 123), .headerTooLong(limit: 123), .nulInHeader,
            .bareLineBreak, .malformedHeaderLine, .repeatedHeader, .dispositionMissing, .malformedDisposition,
            .dispositionNotFormData, .nameMissing, .nameTooLong(limit: 123), .transferEncodingUnsupported,
            .fieldTooLong(limit: 123), .fieldsTooLong(limit: 123),
        ]
        #expect(Set(errors.map(\.message)).count == errors.count)
        for error in errors {
            #expect(!error.message.contains { $0.isNewline } && error.message.last == ".")
            #expect(error.message.contains("123") == "\(error)".contains("limit"))
        }
    }
}
