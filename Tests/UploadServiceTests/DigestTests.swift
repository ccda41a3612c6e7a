import HTTP
import Testing
import UploadModel
import UploadService

/// Chunks whose digest the client states (RFC 9530): damaged bytes never count (PROTOCOL.md, Promises 1).
@Suite("Digests of chunks")
struct DigestTests {
    let site: Site
    let sample = Sample(size: 3500)
    /// SHA-256 of the first chunk, by `openssl dgst -sha256 -binary | base64`.
    private let right = "/J15OZ9wQnp/rR7xgZyDdi2RmcVIj6ceHdJeskb1vyI="
    /// The example of RFC 9530, appendix B.1: of something else.
    private let wrong = "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="

    init() throws {
        site = try Site()
    }

    private func form(_ digest: String, behind: Bool = false) -> [UInt8] {
        let field = FormPart.field("resumableChunkDigest", digest)
        let file = FormPart.file(sample.chunk(1))
        return UploadServiceTests.form(sample.fields(1) + (behind ? [file, field] : [field, file]))
    }

    private func octets(_ outcome: Expected, digest: String) {
        let bytes = sample.chunk(1)
        site.expect(
            outcome,
            Request(
                method: .post, path: Site.route, query: sample.query(1), contentType: "application/octet-stream",
                contentLength: UInt64(bytes.count), contentDigest: digest),
            Pieces(bytes))
    }

    @Test("a chunk that is what its digest says is stored")
    func same() {
        site.post(.stored, form("sha-256=:\(right):"))
        octets(.stored, digest: "sha-256=:\(right):")
    }

    @Test("a chunk that is not is asked for again, and counts nothing")
    func different() {
        site.post(.retry, form("sha-256=:\(wrong):"))
        site.test(.missing, sample.query(1))
        octets(.retry, digest: "sha-256=:\(wrong):")
        site.test(.missing, sample.query(1))
        site.post(.stored, form("sha-256=:\(right):"))
        site.test(.held, sample.query(1))
    }

    @Test("the header speaks of the whole body, also where that is a form")
    func wholeForm() {
        let body = sample.form(1)
        let request = Request(
            method: .post, path: Site.route, contentType: formType, contentLength: UInt64(body.count),
            contentDigest: "sha-256=:\(right):")
        site.expect(.retry, request, Pieces(body))
        site.test(.missing, sample.query(1))
    }

    @Test("other algorithms are let through, beside SHA-256 or alone; parameters mean nothing")
    func otherAlgorithms() {
        octets(.stored, digest: "sha-512=:AAAA:")
        octets(.stored, digest: "md5=:AAAA:, sha-256=:\(right):;a=1")
        octets(.retry, digest: "sha-256=:\(wrong):, unixsum=30637")
        octets(.stored, digest: "sha-256=:\(wrong):,sha-256=:\(right):")
    }

    @Test(
        "a value that cannot be a SHA-256 is an error",
        arguments: [
            "sha-256=", "sha-256=::", "sha-256=:AAAA:", "sha-256=\"abc\"",
            "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=",
            "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9D!PE=:",
            "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBP==:",
        ])
    func malformed(digest: String) {
        site.post(.malformed, form(digest))
        octets(.malformed, digest: digest)
        site.test(.missing, sample.query(1))
    }

    @Test("the field stands before the file, else it can't be checked in time")
    func behind() {
        site.post(.malformed, form("sha-256=:\(right):", behind: true))
        site.test(.missing, sample.query(1))
    }
}
