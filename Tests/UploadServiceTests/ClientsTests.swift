import HTTP
import TestSupport
import Testing
import UploadModel
import UploadService

/// Whole uploads in the words of other clients, and types of file that aren't accepted.
@Suite("Other clients, other files")
struct ClientsTests {
    private let sample = Sample(size: 2500)

    private func parameters(_ prefix: String, _ number: Int) -> [(name: String, value: String)] {
        sample.parameters(number).map { name, value in
            let words = name.dropFirst("resumable".count)
            return (prefix.isEmpty ? words.prefix(1).lowercased() + words.dropFirst() : prefix + words, value)
        }
    }

    private func query(_ parameters: [(name: String, value: String)]) -> String {
        parameters.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    }

    @Test(
        "a file arrives whole, and a missing chunk is answered so that the client continues",
        arguments: [("resumable", 404), ("flow", 204), ("", 204), ("my-resumable", 404)])
    func whole(prefix: String, missing: Int) throws {
        let site = try Site()
        for number in [2, 1] {
            let parameters = parameters(prefix, number)
            let test = Request(method: .get, path: Site.route, query: query(parameters))
            let answer = site.send(test)
            #expect(answer.status == missing)
            #expect(answer.header("X-Upload-Outcome") == "missing")
            #expect(answer.body.isEmpty == (missing == 204))
            let part = prefix == "my-resumable" ? "my-file" : "file"
            site.post(
                .stored,
                form(parameters.map { .field($0.name, $0.value) } + [.file(sample.chunk(number), name: part)]))
            #expect(site.send(test).status == 200)
        }
        #expect(site.folder.bytes(of: sample.name) == sample.bytes)
    }

    @Test("Dropzone's file has the name of its form's part")
    func dropzone() throws {
        let site = try Site()
        for (index, start) in [0, 1000, 2000].enumerated() {
            let chunk = Array(sample.bytes[start..<min(start + 1000, 2500)])
            site.post(
                .stored,
                form([
                    .field("dzuuid", "1d0a"), .field("dzchunkindex", "\(index)"), .field("dztotalfilesize", "2500"),
                    .field("dzchunksize", "1000"), .field("dztotalchunkcount", "3"),
                    .field("dzchunkbyteoffset", "\(start)"),
                    FormPart(name: "file", filename: "holiday.mp4", bytes: chunk),
                ]))
        }
        #expect(site.folder.bytes(of: "holiday.mp4") == sample.bytes)
    }

    @Test("with the setting, every client gets 204, except one that asks for JSON, which 204 cannot carry")
    func noContent() throws {
        let site = try Site(UploadSettings(missingStatus: .noContent))
        let test = Request(method: .get, path: Site.route, query: sample.query(1))
        #expect(site.send(test).status == 204)
        var asking = test
        asking.accept = "application/json"
        #expect(site.send(asking).status == 404)
    }

    @Test("a file of a type that isn't accepted is refused at its test and at every chunk, in either kind of body")
    func refusedType() throws {
        let site = try Site(UploadSettings(types: TypePolicy(".pdf,image/*")))
        #expect(text(site.test(.refused, sample.query(1))).contains(".pdf,image/*"))
        site.post(.refused, sample.form(1))
        let raw = Request(
            method: .post, path: Site.route, query: sample.query(2), contentType: "application/octet-stream")
        site.expect(.refused, raw, Pieces(sample.chunk(2)))
        #expect(site.folder.names(in: ".resumabled").isEmpty)
        site.test(.missing, sample.query(1) + "&resumableType=image/png")
    }

    /// A PNG's signature and first chunk (PNG specification, sections 5.2 and 11.2.2), filled up with zeros.
    private var png: [UInt8] {
        [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13] + Array("IHDR".utf8)
            + [0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0, 0x90, 0x77, 0x53, 0xde]
            + [UInt8](repeating: 0, count: 2463)
    }

    @Test("with a look at the content, a file must be what it says, and what isn't leaves nothing behind")
    func sniffed() throws {
        let site = try Site(UploadSettings(types: TypePolicy(".png"), sniffer: ContentSniffer()))
        var honest = Sample(size: 2500)
        honest.bytes = png
        honest.name = "dot.png"
        for number in [2, 1] { site.post(.stored, honest.form(number)) }
        #expect(site.folder.bytes(of: "dot.png") == png)

        var liar = Sample(size: 2500)
        liar.bytes = Array("#!/bin/sh\nrm -rf /\n".utf8) + [UInt8](repeating: 0x20, count: 2481)
        (liar.name, liar.identifier) = ("script.png", "liar")
        // The second chunk may come first; then it is held until the first one shows what the file is.
        site.post(.stored, liar.form(2))
        site.post(.refused, liar.form(1))
        site.test(.missing, liar.query(2))
        let raw = Request(
            method: .post, path: Site.route, query: liar.query(1), contentType: "application/octet-stream")
        site.expect(.refused, raw, Pieces(liar.chunk(1)))
        #expect(site.folder.files == ["dot.png"])
    }

    @Test("a client that declares no type is judged by the content, where that is looked at")
    func undeclared() throws {
        let types = TypePolicy("image/*")
        var sample = Sample(size: 2500)
        sample.bytes = png
        try Site(UploadSettings(types: types)).post(.refused, sample.form(1))
        try Site(UploadSettings(types: types, sniffer: ContentSniffer())).post(.stored, sample.form(1))
    }

    @Test("a first chunk that is cut short is never looked at, nor counted")
    func cutShort() throws {
        let site = try Site(UploadSettings(types: TypePolicy("image/*"), sniffer: ContentSniffer()))
        var sample = Sample(size: 2500)
        sample.bytes = png
        let body = sample.form(1)
        site.post(.retry, body, cutAt: body.count - 100)
        site.test(.refused, sample.query(1).replacing("clip.mp4", with: "x") + "&resumableType=text/plain")
        site.test(.missing, sample.query(1))
    }
}
