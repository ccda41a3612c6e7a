import HTTP
import TestSupport
import Testing
import UploadModel
import UploadService
import UploadStore

/// Tests of chunks by GET and HEAD, with and without JSON, and the methods that are neither tests nor uploads.
@Suite("Tests of chunks")
struct TestRequestTests {
    let site: Site

    init() throws {
        site = try Site()
    }

    @Test("a chunk that is not held is 404, one that is held 200, each with its line")
    func lines() {
        let sample = Sample(size: 3000)
        let missing = site.test(.missing, sample.query(1))
        #expect(text(missing) == "Not found")
        #expect(missing.header("Content-Type")?.hasPrefix("text/plain") == true)
        site.post(.stored, sample.form(1))
        #expect(text(site.test(.held, sample.query(1))) == "OK")
        site.test(.missing, sample.query(2))
        site.test(.missing, sample.query(3))
    }

    @Test("a test creates nothing")
    func nothingMade() {
        site.test(.missing, Sample(size: 3000).query(1))
        #expect(site.folder.names(in: LocalStore.stateFolder).isEmpty)
    }

    @Test("every chunk of a complete file is held, also for a client that cuts it otherwise")
    func complete() {
        let sample = Sample(size: 2500)
        for number in [1, 2] { site.post(.stored, sample.form(number)) }
        for number in [1, 2] { site.test(.held, sample.query(number)) }
        var finer = sample
        finer.chunkSize = 100
        for number in 1...25 { site.test(.held, finer.query(number)) }
    }

    @Test("a client that comes back with another chunk size resumes: what counts is bytes")
    func otherChunkSize() {
        let sample = Sample(size: 6000)
        site.post(.stored, sample.form(1))
        site.post(.stored, sample.form(2))
        var finer = sample
        finer.chunkSize = 500
        for number in 1...4 { site.test(.held, finer.query(number)) }
        site.test(.missing, finer.query(5))
        var coarser = sample
        coarser.chunkSize = 3000
        site.test(.missing, coarser.query(1))
        site.post(.stored, coarser.form(1))
        site.test(.held, sample.query(3))
        site.post(.stored, coarser.form(2))
        #expect(site.folder.bytes(of: "clip.mp4") == sample.bytes)
    }

    @Test("a test with a missing or invalid parameter is malformed")
    func malformed() {
        let sample = Sample(size: 3000)
        for parameter in sample.parameters(1) {
            let rest = sample.parameters(1).filter { $0.name != parameter.name }
            let answer = site.test(.malformed, rest.map { "\($0.name)=\($0.value)" }.joined(separator: "&"))
            #expect(text(answer).contains(parameter.name))
        }
        site.test(.malformed, "")
        site.test(.malformed, sample.query(0))
        site.test(.malformed, sample.query(4))
        site.test(.malformed, sample.query(1).replacing("resumableChunkSize=1000", with: "resumableChunkSize=many"))
    }

    /// The JSON without spaces and without its limits, which are always the same.
    private func held(_ query: String, _ outcome: Expected) -> String {
        let answer = site.test(outcome, query, accept: "application/json")
        #expect(answer.header("Content-Type") == "application/json")
        let limits =
            #","limits":{"maxFileSize":1099511627776,"maxChunkSize":268435456,"maxBodySize":536936448,"types":null}"#
        let json = text(answer).replacing(" ", with: "")
        #expect(json.hasSuffix(limits + "}"))
        return json.replacing(limits, with: "")
    }

    @Test("the JSON has the limits that apply to the client")
    func limits() throws {
        let sample = Sample(size: 100)
        let settings = UploadSettings(
            maximumFileSize: 5000, maximumChunkSize: 1000, types: TypePolicy(".pdf, video/*"), sniffer: nil)
        let answer = try Site(settings).test(
            .missing, sample.query(1) + "&resumableType=video/mp4", accept: "application/json")
        #expect(
            text(answer).hasSuffix(
                #""limits": {"maxFileSize": 5000, "maxChunkSize": 1000, "maxBodySize": 67536, "types": ".pdf, video/*"}}"#
            ))
    }

    @Test(
        "the limit on bodies is the web server's if that is smaller",
        arguments: [
            ("8256k", 8_454_144), ("8M", 8_388_608), ("500", 500), ("1G", 536_936_448), ("0", 536_936_448),
            ("8256 k", 536_936_448), ("-1", 536_936_448), ("99999999999999999999", 536_936_448), (nil, 536_936_448),
        ] as [(String?, Int)])
    func bodyLimit(passedOn: String?, told: Int) {
        let request = Request(
            method: .get, path: Site.route, query: Sample(size: 100).query(1), accept: "application/json",
            bodyLimit: passedOn)
        #expect(text(site.expect(.missing, request, Pieces([]))).contains(#""maxBodySize": \#(told),"#))
    }

    @Test("a client that asks for JSON is told the limits with a refusal, and the others get the line of text")
    func limitsOfRefused() throws {
        let settings = UploadSettings(
            maximumFileSize: 5000, maximumChunkSize: 1000, types: TypePolicy(".mp4"), sniffer: nil)
        let limits =
            #""limits": {"maxFileSize": 5000, "maxChunkSize": 1000, "maxBodySize": 67536, "types": ".mp4"}}"#
        var other = Sample(size: 100)
        other.name = "notes.txt"
        let refusals = [
            (Sample(size: 5001).query(1), "The file is too large; at most 5000 bytes are accepted"),
            (other.query(1), "Files of this type are not accepted here (.mp4)"),
        ]
        let site = try Site(settings)
        for (query, line) in refusals {
            let told = site.test(.refused, query, accept: "application/json")
            #expect(told.header("Content-Type") == "application/json")
            #expect(text(told) == #"{"message": "\#(line)", \#(limits)"#)
            #expect(text(site.test(.refused, query)) == line)
        }
        // The file is not refused for good.
        #expect(!text(site.test(.malformed, "", accept: "application/json")).contains("limits"))
    }

    @Test("a client that asks for JSON gets all held ranges, with the same status")
    func json() {
        // The example in PROTOCOL.md.
        let sample = Sample(size: 10_485_761, chunkSize: 1_048_576)
        #expect(held(sample.query(1), .missing) == #"{"size":10485761,"held":[],"complete":false}"#)
        site.post(.stored, sample.form(4))
        site.post(.stored, sample.form(1))
        let some = #"{"size":10485761,"held":[[0,1048576],[3145728,4194304]],"complete":false}"#
        #expect(held(sample.query(1), .held) == some)
        #expect(held(sample.query(2), .missing) == some)
        site.post(.stored, sample.form(2))
        site.post(.stored, sample.form(3))
        #expect(held(sample.query(1), .held) == #"{"size":10485761,"held":[[0,4194304]],"complete":false}"#)
    }

    @Test("a complete file is held from its first byte to its last")
    func jsonComplete() {
        let sample = Sample(size: 1500)
        site.post(.stored, sample.form(1))
        #expect(held(sample.query(1), .held) == #"{"size":1500,"held":[[0,1500]],"complete":true}"#)
    }

    @Test("an empty file is complete without a byte")
    func jsonEmpty() {
        let sample = Sample(size: 0)
        let query = sample.query(1) + "&resumableLastModified=1"
        #expect(held(query, .missing) == #"{"size":0,"held":[],"complete":false}"#)
        site.post(.stored, form([.field("resumableLastModified", "1")] + sample.fields(1) + [.file(sample.chunk(1))]))
        #expect(held(query, .held) == #"{"size":0,"held":[],"complete":true}"#)
    }

    @Test(
        "a client that doesn't name JSON gets the line of text",
        arguments: [nil, "*/*", "text/html, */*;q=0.8", "text/plain"])
    func noJSON(_ accept: String?) {
        let sample = Sample(size: 3000)
        #expect(text(site.test(.missing, sample.query(1), accept: accept)) == "Not found")
    }

    @Test("HEAD is answered as GET is")
    func head() {
        let sample = Sample(size: 3000)
        let ask = Request(method: .head, path: Site.route, query: sample.query(1))
        site.expect(.missing, ask)
        site.post(.stored, sample.form(1))
        site.expect(.held, ask)
        site.expect(.malformed, Request(method: .head, path: Site.route))
    }

    @Test("OPTIONS is 204 without a body", arguments: UploadService.routes.sorted())
    func options(_ route: String) {
        let answer = site.send(Request(method: .options, path: route))
        #expect(answer.status == 204)
        #expect(answer.body.isEmpty)
        #expect(answer.header("Content-Type") == nil)
    }

    @Test(
        "DELETE where it is not switched on, and every other method, are 501",
        arguments: ["DELETE", "TRACE", "get", "BREW", ""])
    func otherMethods(_ name: String) {
        let sample = Sample(size: 3000)
        site.post(.stored, sample.form(1))
        site.expect(.unsupported, Request(method: Method(name), path: Site.route, query: sample.query(1)))
        site.test(.held, sample.query(1))
    }

    @Test(
        "any other path is 501, whatever the method",
        arguments: [
            "/", "", "/resumable", "/resumable_upload/", "/resumable_upload2", "//resumable_upload",
            "/RESUMABLE_UPLOAD",
        ])
    func otherPaths(_ path: String) {
        for method in [Method.get, .head, .post, .delete, .options] {
            site.expect(.unsupported, Request(method: method, path: path, query: Sample(size: 1).query(1)))
        }
    }
}
