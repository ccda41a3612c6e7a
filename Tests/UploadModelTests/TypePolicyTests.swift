import Testing
import UploadModel

/// Patterns as in HTML's `accept` attribute, held against names and types.
@Suite("Accepted types")
struct TypePolicyTests {
    private func judge(_ patterns: String, _ name: String, _ type: String? = nil) throws -> TypePolicy.Verdict {
        let policy = try #require(TypePolicy(patterns))
        return policy.judge(name: try FileName(name, parameter: "name"), type: type)
    }

    @Test("an ending is that of the name, whatever its case, and not the whole name")
    func endings() throws {
        #expect(try judge(".pdf", "a.pdf") == .accepted)
        #expect(try judge(".pdf", "a.PDF") == .accepted)
        #expect(try judge(".PDF", "a.b.pdf") == .accepted)
        #expect(try judge(".tar.gz", "a.tar.gz") == .accepted)
        #expect(try judge(".pdf", "a.pdf.exe") == .refused)
        #expect(try judge(".pdf", "apdf") == .refused)
        #expect(try judge(".pdf", ".pdf") == .refused)
        #expect(try judge(".pdf", "a.xpdf") == .refused)
    }

    @Test("a media type is the declared one, without its parameters; a star stands for all subtypes")
    func media() throws {
        #expect(try judge("video/*", "a", "video/mp4") == .accepted)
        #expect(try judge("video/*", "a", "Video/MP4; codecs=x") == .accepted)
        #expect(try judge("image/png", "a", "image/png") == .accepted)
        #expect(try judge("image/png", "a", "image/jpeg") == .refused)
        #expect(try judge("video/*", "a", "videos/mp4") == .refused)
        #expect(try judge("video/*", "a.mp4", "text/html") == .refused)
    }

    @Test("any of several patterns is enough")
    func several() throws {
        for (name, type) in [("a.pdf", "x/y"), ("a", "video/mp4"), ("a", "image/png")] {
            #expect(try judge("video/*, image/png,.pdf", name, type) == .accepted)
        }
        #expect(try judge("video/*,image/png,.pdf", "a.txt", "text/plain") == .refused)
    }

    @Test("a file without a declared type is judged by its content, if media types are accepted")
    func undeclared() throws {
        for type in [nil, "", "application/octet-stream", "nonsense"] {
            #expect(try judge("video/*", "a.mp4", type) == .undecided)
            #expect(try judge(".pdf", "a.mp4", type) == .refused)
        }
    }

    @Test(
        "an invalid list of patterns is rejected",
        arguments: [
            "", ",", "video", "video/", "/mp4", "*/*", "video/mp4/x", ".", "pdf", ".a/b", "video/*,", "vi deo/*",
        ])
    func invalid(_ text: String) {
        #expect(TypePolicy(text) == nil)
    }

    @Test("content must be what is accepted, or what an accepted ending stands for")
    func content() throws {
        func accepts(_ patterns: String, _ name: String, _ media: String, _ endings: [String]) throws -> Bool {
            try #require(TypePolicy(patterns)).acceptsContent(
                media: media, endings: endings, name: FileName(name, parameter: "name"))
        }
        #expect(try accepts("video/*", "a.mp4", "video/mp4", []))
        #expect(try !accepts("video/*", "a.mp4", "application/x-dosexec", ["exe"]))
        #expect(try !accepts("video/*", "a.mp4", "application/octet-stream", []))
        #expect(try accepts(".jpg", "a.jpg", "image/jpeg", ["jpeg", "jpg"]))
        #expect(try !accepts(".jpg", "a.jpg", "application/x-dosexec", ["exe"]))
        #expect(try !accepts(".jpg", "a.png", "image/jpeg", ["jpeg", "jpg"]))
        #expect(try accepts(".csv", "a.csv", "text/plain", []))
        #expect(try accepts(".csv", "a.csv", "text/csv", []))
        #expect(try accepts(".raw", "a.raw", "application/octet-stream", []))
        #expect(try !accepts(".jpg", "a.jpg", "text/x-shellscript", []))
        #expect(try accepts(".sh,text/x-shellscript", "a.sh", "text/x-shellscript", []))
    }
}
