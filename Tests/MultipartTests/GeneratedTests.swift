import Multipart
import MultipartTestSupport
import TestSupport
import Testing

@Suite("Generated and broken bodies")
struct GeneratedTests {
    @Test("Generated forms give the parts they were made of, as the reference parser sees them, wherever cut")
    func generated() {
        var random = SplitMix64(seed: 7578)
        var total = 0
        for round in 0..<1500 {
            let body = GeneratedBody(&random)
            total += body.parts.count
            let whole = parse(body.bytes, boundary: body.boundary)
            #expect(whole == Outcome(parts: body.parts, ended: true), "round \(round)")
            let reference = ReferenceParser(body.bytes, boundary: body.boundary).parse()
            #expect(reference.parts == body.parts && reference.valid, "round \(round)")
            for cuts in [Array(0..<body.bytes.count), random.cuts(9, in: body.bytes.count)] {
                let pieces = parse(body.bytes, boundary: body.boundary, cuts: cuts)
                #expect(pieces == whole, "round \(round), cut at \(cuts)")
            }
        }
        #expect(total > 2000)
    }

    @Test("Garbage made of a form's words keeps the invariant of the fuzzer")
    func garbage() {
        let words = [
            "\r", "\n", "\r\n", "-", "--", "b", "--b", "--b\r\n", "\r\n--b", "\r\n--b\r\n", "--b--", " ", "\t", "\0",
            ":", ";",
            "Content-Disposition: form-data; name=a", "Content-Disposition:form-data;name=\"n\"; filename=\"f\"",
            "\\\"",
            "Content-Type: text/plain", "\r\n\r\n", "x", "中", "; filename*=UTF-8''%41", "\"", "%22", "\\", "=", "name=",
            "Content-Transfer-Encoding: 8bit", "--b--\r\n",
        ]
        var random = SplitMix64(seed: 2046)
        for _ in 0..<15_000 {
            var body = [UInt8(0), UInt8.random(in: 0...255, using: &random)]
            if Bool.random(using: &random) { body += "--b\r\nContent-Disposition: form-data; name=a".utf8 }
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                body += (words.randomElement(using: &random) ?? "").utf8
            }
            check(body)
        }
    }

    @Test("Mutated forms keep the invariant of the fuzzer")
    func mutated() {
        var random = SplitMix64(seed: 8187)
        let form =
            "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b \r\n"
            + "Content-Type: text/plain\r\nContent-Disposition: form-data;\r\n name=f; filename=\"x\\\"\"\r\n\r\n\r\n--bX\r\n--b--\r\n"
        for _ in 0..<5_000 {
            var body = [UInt8(0), UInt8.random(in: 0...255, using: &random)] + Array(form.utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 2..<body.count, using: &random)
                switch Int.random(in: 0...3, using: &random) {
                case 0: body[place] = UInt8.random(in: 0...255, using: &random)
                case 1: body.remove(at: place)
                case 2: body.insert("\r\n-b \"\\;=%".utf8.randomElement(using: &random) ?? 0, at: place)
                default: body.removeSubrange(place..<min(body.count, place + 5))
                }
            }
            check(body)
        }
    }

    @Test("100,000 short random inputs end in an error or in the end, and never trap")
    func random() {
        var random = SplitMix64(seed: 100_000)
        let alphabet = Array("\r\n-b \t:;=\"\\%'na\0\u{FF}".utf8)
        var ended = 0
        for _ in 0..<100_000 {
            var body = Array(["", "--b\r\n", "--b", "--b-"].randomElement(using: &random)?.utf8 ?? "".utf8)
            for _ in 0..<Int.random(in: 0...24, using: &random) {
                body.append(alphabet.randomElement(using: &random) ?? 0)
            }
            let outcome = parse(body, cuts: random.cuts(2, in: body.count), limits: .tight)
            if outcome.ended { ended += 1 } else { #expect(outcome.error != nil) }
        }
        #expect(ended > 100)
    }

    private func check(_ input: [UInt8]) {
        let wrong = input.withUnsafeBytes(fuzzMultipart)
        #expect(wrong == nil, "\(String(decoding: input, as: UTF8.self).debugDescription)")
    }
}
