import HTTP
import TestSupport
import Testing
import UploadModel
import UploadService
import UploadStore

/// Uploads of chunks into a real store (PROTOCOL.md, Requests, Status codes and Promises).
@Suite("Sending chunks")
struct UploadTests {
    let site: Site

    init() throws {
        site = try Site()
    }

    @Test("a file arrives chunk by chunk, and appears when the last one has arrived")
    func wholeFile() {
        let sample = Sample(size: 3500)
        for number in [3, 1, 2] {
            site.test(.missing, sample.query(number))
            #expect(site.folder.files.isEmpty)
            let answer = site.post(.stored, sample.form(number))
            #expect(text(answer) == "OK")
            site.test(.held, sample.query(number))
        }
        #expect(site.folder.files == ["clip.mp4"])
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
    }

    @Test(
        "files of every size that is near the edge of a chunk arrive whole",
        arguments: [0, 1, 99, 100, 101, 199, 200, 1001])
    func sizes(_ size: Int) {
        let sample = Sample(size: size, chunkSize: 100)
        for number in (1...sample.chunkCount).reversed() { site.post(.stored, sample.form(number)) }
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
    }

    @Test("with forceChunkSize the last chunk is the rest", arguments: [101, 199, 1001])
    func forcedSizes(_ size: Int) {
        let sample = Sample(size: size, chunkSize: 100)
        let starts = Array(stride(from: 0, to: size, by: 100))
        for (index, start) in starts.enumerated() {
            let bytes = Array(sample.bytes[start..<min(start + 100, size)])
            site.post(
                .stored,
                form(
                    sample.fields(index + 1) + [
                        .field("resumableCurrentChunkSize", "\(bytes.count)"),
                        .field("resumableTotalChunks", "\(starts.count)"), .file(bytes),
                    ]))
        }
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
    }

    @Test("both routes and all three methods accept chunks", arguments: UploadService.routes.sorted())
    func routes(_ route: String) {
        #expect(["/resumable_upload", "/api/photo/redeem-upload-token"].contains(route))
        let sample = Sample(size: 3000)
        for (index, method) in [Method.post, .put, .patch].enumerated() {
            let request = Request(method: method, path: route, contentType: formType)
            site.expect(.stored, request, Pieces(sample.form(index + 1)))
        }
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
    }

    @Test("the file part may stand before, between or behind the fields", arguments: 0...5)
    func filePosition(_ position: Int) {
        let sample = Sample(size: 2000)
        for number in [1, 2] {
            var parts = sample.fields(number)
            parts.insert(.file(sample.chunk(number)), at: position)
            site.post(.stored, form(parts))
            site.test(.held, sample.query(number))
        }
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
    }

    @Test("a namespace stands before the name of the file part, too, and a field that only ends like it is a field")
    func namespacedFile() {
        let sample = Sample(size: 1500)
        var fields = sample.fields(1)
        for index in fields.indices { fields[index].name = "mine-" + fields[index].name }
        fields.append(.field("profile", "public"))
        site.post(.malformed, form(fields + [.file(sample.bytes, name: "other-file")]))
        site.post(.stored, form(fields + [.file(sample.bytes, name: "mine-file")]))
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
    }

    @Test("parameters may all stand in the query, with a form that has only the file")
    func queryAndForm() {
        let sample = Sample(size: 1500)
        site.post(.stored, form([.file(sample.bytes)]), query: sample.query(1))
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
    }

    @Test("a field takes precedence over the query, wherever the file is", arguments: [true, false])
    func fieldsWin(_ fileFirst: Bool) {
        let sample = Sample(size: 3000)
        let file = [FormPart.file(sample.chunk(2))]
        site.post(
            .stored, form(fileFirst ? file + sample.fields(2) : sample.fields(2) + file), query: sample.query(1))
        site.test(.held, sample.query(2))
        site.test(.missing, sample.query(1))
    }

    @Test("a field after the file takes precedence over the query, too")
    func lateField() {
        let sample = Sample(size: 3000)
        site.post(
            .stored, form([.file(sample.chunk(2)), .field("resumableChunkNumber", "2")]), query: sample.query(1))
        site.test(.held, sample.query(2))
        site.test(.missing, sample.query(1))
    }

    @Test("a field behind the file that contradicts one before it is an error, and nothing is held")
    func contradictingFields() {
        let sample = Sample(size: 3000)
        let parts = sample.fields(1) + [.file(sample.chunk(1)), .field("resumableChunkNumber", "2")]
        site.post(.malformed, form(parts))
        site.test(.missing, sample.query(1))
        site.test(.missing, sample.query(2))
    }

    @Test("a parameter that places the chunk may be repeated with the same value, not with another")
    func repeated() {
        let sample = Sample(size: 3000)
        let again = { (value: String) in
            form(sample.fields(1) + [.field("resumableChunkNumber", value), .file(sample.chunk(1))])
        }
        site.post(.malformed, again("2"))
        site.test(.missing, sample.query(1))
        site.post(.stored, again("1"))
        site.test(.malformed, sample.query(1) + "&resumableChunkNumber=2")
        site.test(.held, sample.query(1) + "&resumableChunkNumber=1")
    }

    @Test("a chunk without a number is the first, as in the Flask backend")
    func noNumber() {
        let sample = Sample(size: 3000)
        site.post(.stored, form(sample.fields(1).dropFirst() + [.file(sample.chunk(1))]))
        site.test(.held, sample.query(1))
    }

    @Test("a form without the file, or with two, is an error, and nothing is held")
    func fileParts() {
        let sample = Sample(size: 3000)
        let file = FormPart.file(sample.chunk(1))
        site.post(.malformed, form(sample.fields(1)))
        site.post(.malformed, form(sample.fields(1) + [.file(sample.chunk(1), name: "other")]))
        site.post(.malformed, form(sample.fields(1) + [file, file]))
        site.post(.malformed, form([file] + sample.fields(1) + [file]))
        site.test(.missing, sample.query(1))
    }

    @Test("a file in a part of another name is passed over")
    func otherFile() {
        let sample = Sample(size: 1000)
        site.post(
            .stored, form([.file([1, 2, 3], name: "preview")] + sample.fields(1) + [.file(sample.bytes)]))
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
    }

    @Test("the name of the file part can be chosen")
    func fileParameter() throws {
        let site = try Site(UploadSettings(fileParameter: "chunk"))
        let sample = Sample(size: 1000)
        site.post(.malformed, sample.form(1))
        site.post(.stored, form(sample.fields(1) + [.file(sample.bytes, name: "chunk")]))
    }

    @Test("a body of application/octet-stream is the chunk, with the parameters in the query")
    func octets() {
        let sample = Sample(size: 2500)
        for number in [2, 1] {
            let request = Request(
                method: .put, path: Site.route, query: sample.query(number), contentType: "Application/Octet-Stream",
                contentLength: UInt64(sample.chunk(number).count))
            site.expect(.stored, request, Pieces(sample.chunk(number)))
        }
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
    }

    @Test(
        "a body that is no form is the chunk, whatever its type, if the query names the upload",
        arguments: [
            nil, "video/mp4", "text/plain", "application/json; charset=utf-8", "multipart/related", "video", "",
            "message/rfc822", "*/*",
        ])
    func ownTypes(_ type: String?) {
        let sample = Sample(size: 1000)
        let request = Request(method: .post, path: Site.route, query: sample.query(1), contentType: type)
        site.expect(.stored, request, Pieces(sample.bytes))
        #expect(site.folder.bytes(of: sample.name) == sample.bytes)
        // Without a query it is nothing that the route knows.
        site.expect(
            .unsupported, Request(method: .post, path: Site.route, query: "x=1", contentType: type),
            Pieces(sample.bytes))
    }

    @Test("a form of another type is not supported, and one that cannot be read is malformed")
    func otherForms() {
        let sample = Sample(size: 1000)
        for type in ["application/x-www-form-urlencoded", "multipart/mixed; boundary=x"] {
            let request = Request(method: .post, path: Site.route, query: sample.query(1), contentType: type)
            site.expect(.unsupported, request, Pieces(sample.bytes))
        }
        for type in [
            "multipart/form-data", "multipart/form-data; boundary", "Multipart/Form-Data; boundary=\"x", "multipart/",
        ] {
            let request = Request(method: .post, path: Site.route, query: sample.query(1), contentType: type)
            site.expect(.malformed, request, Pieces(sample.bytes))
        }
        site.test(.missing, sample.query(1))
    }

    @Test("a compressed body is refused and never stored", arguments: ["gzip", "br", "deflate, gzip", "zstd", "x"])
    func contentEncoding(_ encoding: String) {
        let sample = Sample(size: 1000)
        for (type, body) in [("application/octet-stream", sample.bytes), (formType, sample.form(1))] {
            let request = Request(
                method: .post, path: Site.route, query: sample.query(1), contentType: type, contentEncoding: encoding)
            site.expect(.refused, request, Pieces(body))
        }
        site.test(.missing, sample.query(1))
        let plain = Request(
            method: .post, path: Site.route, query: sample.query(1), contentType: formType, contentEncoding: "Identity")
        site.expect(.stored, plain, Pieces(sample.form(1)))
    }

    @Test("the answer that completes a file has its path, percent-encoded, and no other answer has")
    func path() {
        var sample = Sample(size: 2500)
        sample.name = "100% 影片~(1).mp4"
        #expect(site.post(.stored, sample.form(1)).header("X-Upload-Path") == nil)
        let last = site.post(.stored, sample.form(2))
        #expect(last.header("X-Upload-Path") == "100%25%20%E5%BD%B1%E7%89%87~%281%29.mp4")
        #expect(site.post(.stored, sample.form(2)).header("X-Upload-Path") == nil)
        var other = sample
        other.identifier = "another"
        other.bytes.reverse()
        _ = site.post(.stored, other.form(1))
        #expect(
            site.post(.stored, other.form(2)).header("X-Upload-Path")
                == "100%25%20%E5%BD%B1%E7%89%87~%281%29%20%281%29.mp4")
    }

    @Test("a form that can't be taken apart is an error")
    func brokenForms() {
        let sample = Sample(size: 1000)
        let whole = sample.form(1)
        for type in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"a b \""]
        {
            let request = Request(method: .post, path: Site.route, contentType: type)
            site.expect(.malformed, request, Pieces(whole))
        }
        site.post(.malformed, [])
        site.post(.malformed, Array("no form at all".utf8))
        site.post(.malformed, Array("--\(boundary)\r\n\r\nno disposition\r\n--\(boundary)--\r\n".utf8))
        site.test(.missing, sample.query(1))
    }

    @Test("a body cut short anywhere leaves the chunk missing, and may be sent again", arguments: [true, false])
    func cutShort(_ fileFirst: Bool) {
        let sample = Sample(size: 300, chunkSize: 100)
        let file = [FormPart.file(sample.chunk(1))]
        let body = form(fileFirst ? file + sample.fields(1) : sample.fields(1) + file)
        for length in stride(from: 0, to: body.count, by: 13) {
            let answer = site.post(.retry, body, cutAt: length)
            #expect(text(answer).contains("again"))
            site.test(.missing, sample.query(1))
        }
        site.post(.stored, body)
        site.test(.held, sample.query(1))
    }

    @Test("a body of octets cut short leaves the chunk missing")
    func octetsCutShort() {
        let sample = Sample(size: 3000)
        let request = Request(
            method: .post, path: Site.route, query: sample.query(2), contentType: "application/octet-stream")
        for length in [0, 1, 999, 1000] {
            site.expect(.retry, request, Pieces(sample.chunk(2), cutAt: length))
            site.test(.missing, sample.query(2))
        }
        site.expect(.stored, request, Pieces(sample.chunk(2)))
    }

    @Test("a chunk that doesn't have the length of its place is not counted", arguments: [true, false])
    func wrongLength(_ fileFirst: Bool) {
        let sample = Sample(size: 4000)
        let body = { (bytes: [UInt8]) in
            let file = [FormPart.file(bytes)]
            return form(fileFirst ? file + sample.fields(2) : sample.fields(2) + file)
        }
        // Fewer bytes may have been lost on the way; more never are.
        site.post(.retry, body(Array(sample.chunk(2).dropLast())))
        site.post(.retry, body([]))
        site.post(.malformed, body(sample.chunk(2) + [0]))
        site.post(.malformed, body(sample.chunk(2) + sample.chunk(3)))
        site.test(.missing, sample.query(2))
        site.post(.stored, body(sample.chunk(2)))
    }

    @Test("a chunk that doesn't have the size that its client states is not counted")
    func statedSize() {
        let sample = Sample(size: 1500)
        let body = { (bytes: [UInt8]) in
            form(sample.fields(1) + [.field("resumableCurrentChunkSize", "1500"), .file(bytes)])
        }
        for bytes in [Array(sample.bytes.prefix(1000)), Array(sample.bytes.prefix(1499))] {
            site.post(.retry, body(bytes))
            site.test(.missing, sample.query(1))
        }
        site.post(.malformed, body(sample.bytes + [0]))
        site.post(.malformed, form(sample.fields(1) + [.field("resumableCurrentChunkSize", "7"), .file([1, 2, 3])]))
        site.post(.stored, body(sample.bytes))
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
    }

    @Test("an upload has one size; another one is an error")
    func otherSize() {
        let sample = Sample(size: 3000)
        var other = Sample(size: 4000)
        site.post(.stored, sample.form(1))
        site.post(.malformed, other.form(2))
        site.test(.malformed, other.query(2))
        other.identifier = "another"
        site.post(.stored, other.form(2))
    }

    @Test("a file beyond the limit is refused")
    func tooLarge() throws {
        let site = try Site(UploadSettings(maximumFileSize: 1000))
        let fits = Sample(size: 1000)
        let sample = Sample(size: 1001)
        site.post(.refused, sample.form(1))
        site.test(.refused, sample.query(1))
        site.post(.stored, fits.form(1))
    }

    @Test("the same chunk again is 200 and changes nothing, before the file is complete and after")
    func duplicates() {
        let sample = Sample(size: 2500)
        for number in [1, 1, 2, 2, 1, 2] {
            site.post(.stored, sample.form(number))
            site.test(.held, sample.query(number))
        }
        #expect(site.folder.files == ["clip.mp4"])
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
    }

    @Test("other bytes for a range that is held replace it while the file is incomplete")
    func replaced() {
        let sample = Sample(size: 2000)
        var wrong = sample
        wrong.bytes[17] ^= 1
        site.post(.stored, wrong.form(1))
        site.post(.stored, sample.form(1))
        site.post(.stored, sample.form(2))
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
    }

    @Test("an upload of another identifier never writes over a finished file of that name")
    func sameName() {
        let first = Sample(size: 1000)
        var second = Sample(size: 900)
        second.identifier = "another"
        site.post(.stored, first.form(1))
        site.post(.stored, second.form(1))
        #expect(site.folder.bytes(of: "clip.mp4") == first.bytes)
        let names = site.folder.files
        #expect(names.count == 2)
        #expect(names.compactMap { site.folder.bytes(of: $0) }.contains(second.bytes))
    }

    @Test(
        "a name that is a path is refused with a line for the person who uploads",
        arguments: ["..", ".", "../clip", "/etc/passwd", "a/b", "", "%2e%2e%2fclip"])
    func hostileNames(_ name: String) {
        let query = Sample(size: 10).query(1).replacing("clip.mp4", with: name)
        #expect(text(site.test(.malformed, query)).hasPrefix("The file "))
        site.expect(
            .malformed,
            Request(method: .post, path: Site.route, query: query, contentType: "application/octet-stream"),
            Pieces([UInt8](repeating: 1, count: 10)))
        #expect(site.folder.files.isEmpty)
    }

    @Test(
        "names that are legal at the client are accepted, and become names on disk",
        arguments: [
            ("Icon\r", "Icon_"), ("a\tb.txt", "a_b.txt"), ("a\0b", "a_b"), ("x. ", "x. "), ("...", "..."),
            ("a\\b", "a\\b"),
            (String(repeating: "视", count: 93) + ".mp4", String(repeating: "视", count: 83) + ".mp4"),
        ])
    func legalNames(_ name: String, _ onDisk: String) {
        var sample = Sample(size: 2500)
        sample.name = name
        let query = { (number: Int) in
            sample.parameters(number).map { "\($0.name)=\(percentEncoded($0.value))" }.joined(separator: "&")
        }
        site.post(.stored, sample.form(1))
        site.test(.held, query(1))
        site.test(.missing, query(2))
        site.post(.stored, sample.form(2))
        #expect(site.folder.bytes(of: onDisk) == sample.bytes)
    }

    @Test("two long names that are shortened to one are two uploads, and two files")
    func shortenedNames() {
        var (one, other) = (Sample(size: 2500), Sample(size: 2500))
        one.name = String(repeating: "n", count: 300) + "1"
        other.name = String(repeating: "n", count: 300) + "2"
        other.bytes.reverse()
        for number in [1, 2] {
            site.post(.stored, one.form(number))
            site.post(.stored, other.form(number))
        }
        let shortened = String(repeating: "n", count: 255)
        #expect(site.folder.bytes(of: shortened) == one.bytes)
        #expect(site.folder.bytes(of: String(repeating: "n", count: 251) + " (1)") == other.bytes)
    }

    @Test("a relative path that no layout uses doesn't matter")
    func unusedPath() throws {
        let site = try Site(UploadSettings(usesPaths: false))
        let sample = Sample(size: 1000)
        let deep = String(repeating: "folder/", count: 1000) + "clip.mp4"
        for path in ["../clip.mp4", deep, "a//b", "./x", ""] {
            site.post(.stored, form(sample.fields(1) + [.field("resumableRelativePath", path), .file(sample.bytes)]))
        }
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
        try Site().post(
            .malformed, form(sample.fields(1) + [.field("resumableRelativePath", deep), .file(sample.bytes)]))
    }

    @Test("metadata may have several values, and what places the chunk may not", arguments: [true, false])
    func severalValues(_ inQuery: Bool) throws {
        let sample = Sample(size: 1000)
        let send = { (outcome: Expected, name: String, values: [String]) in
            let more = values.map { FormPart.field(name, $0) }
            let query = values.map { "\(name)=\($0)" }.joined(separator: "&")
            site.post(
                outcome, form(sample.fields(1) + (inQuery ? [] : more) + [.file(sample.bytes)]),
                query: inQuery ? query : "")
        }
        for name in ["resumableType", "upload_token", "resumableRelativePath", "resumableLastModified"] {
            send(.malformed, name, ["1", "2"])
        }
        send(.stored, "tags", ["red", "blue"])
        let uploads = try LocalStore(root: LinuxDirectory.root(site.folder.path), boot: .current, now: { 0 }).uploads()
        #expect(uploads.map { $0.metadata.lists.map(\.values) } == [[["red", "blue"]]])
    }

    @Test("an identifier that looks like a path is not used as one")
    func hostileIdentifiers() {
        for (index, identifier) in ["../../../tmp/x", "/", ".", "..", "a/b"].enumerated() {
            var sample = Sample(size: 2000)
            sample.identifier = identifier
            sample.name = "\(index).bin"
            site.post(.stored, sample.form(1))
            site.post(.stored, sample.form(2))
            #expect(site.folder.bytes(of: sample.name) == sample.bytes)
        }
        #expect(site.folder.files.count == 5)
    }

    @Test("too many parameters, or too long ones, are an error", arguments: [true, false])
    func limits(_ many: Bool) {
        let sample = Sample(size: 1000)
        let more: [FormPart] =
            many
            ? (0..<2000).map { .field("x\($0)", "") } : [.field("x", String(repeating: "x", count: 1 << 20))]
        site.post(.malformed, form(sample.fields(1) + more + [.file(sample.bytes)]))
        let query = more.map { "\($0.name)=\(String(decoding: $0.bytes, as: UTF8.self))" }.joined(separator: "&")
        site.test(.malformed, sample.query(1) + "&" + query)
        site.test(.missing, sample.query(1))
    }

    @Test("parameters that are not UTF-8 are an error")
    func notUTF8() {
        let sample = Sample(size: 1000)
        site.test(.malformed, sample.query(1) + "&x=%FF")
        let bad = FormPart(name: "x", filename: nil, bytes: [0xc3, 0x28])
        site.post(.malformed, form(sample.fields(1) + [bad, .file(sample.bytes)]))
    }

    @Test("names in all scripts come through as they are", arguments: ["视频 文件.mp4", "🎉👨‍👩‍👧.gif", "a 'b' & c;d.txt"])
    func names(_ name: String) {
        var sample = Sample(size: 1000)
        sample.name = name
        site.post(.stored, sample.form(1))
        #expect(site.folder.files == [name])
    }

    @Test("a client of the Flask backend that tells no sizes uploads a file of one chunk", arguments: [true, false])
    func flaskClient(_ fileFirst: Bool) {
        let bytes = Sample(size: 1234).bytes
        let fields: [FormPart] = [
            .field("resumableIdentifier", "i"), .field("resumableFilename", "f.bin"),
            .field("resumableChunkNumber", "1"), .field("resumableTotalChunks", "1"),
        ]
        let query = "resumableIdentifier=i&resumableFilename=f.bin&resumableChunkNumber=1&resumableTotalChunks=1"
        site.test(.missing, query)
        site.post(.stored, form(fileFirst ? [.file(bytes)] + fields : fields + [.file(bytes)]))
        #expect(site.folder.bytes(of: "f.bin") == bytes)
        // To send a file of one chunk again costs no more than to ask for it.
        site.test(.missing, query)
    }
}
