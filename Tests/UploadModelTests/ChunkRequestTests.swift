import Testing
import UploadModel

/// The table of PROTOCOL.md, Parameters, row by row.
@Suite("Parameters of a request")
struct ChunkRequestTests {
    /// A file of 25 bytes in chunks of 10; the second chunk.
    private static let whole = [
        "resumableIdentifier": "25-clip.mp4", "resumableFilename": "clip.mp4", "resumableChunkNumber": "2",
        "resumableTotalSize": "25", "resumableChunkSize": "10",
    ]

    /// The request with some parameters changed, or left out where the change is nil.
    private func read(
        _ changes: [String: String?] = [:], for purpose: ChunkRequest.Purpose = .upload, limit: UInt64 = 1 << 40
    ) throws -> ChunkRequest {
        var values = ChunkRequestTests.whole
        for (name, value) in changes { values[name] = value }
        var parameters = Parameters(limits: ParameterLimits())
        for (name, value) in values { try parameters.add(name, value, from: .query) }
        return try ChunkRequest(parameters, for: purpose, maximumFileSize: limit)
    }

    private func expectInvalid(
        _ name: String, _ value: String, _ location: SourceLocation = #_sourceLocation
    ) {
        #expect("\(name)=\(value)", sourceLocation: location) {
            _ = try read([name: value])
        } throws: { error in
            if case .invalid(name, _)? = error as? ParameterError { true } else { false }
        }
    }

    private func expectUnusable(
        _ name: String, _ value: String, _ location: SourceLocation = #_sourceLocation
    ) {
        #expect("\(name)=\(value)", sourceLocation: location) {
            _ = try read([name: value])
        } throws: { error in
            if case .unusableName(name, _)? = error as? ParameterError { true } else { false }
        }
    }

    @Test("all parameters are read into values", arguments: [ChunkRequest.Purpose.test, .upload])
    func whole(_ purpose: ChunkRequest.Purpose) throws {
        let chunk = try read(for: purpose)
        #expect(chunk.upload.identifier == "25-clip.mp4")
        #expect(chunk.upload.filename.text == "clip.mp4")
        #expect(chunk.totalSize == 25)
        #expect(chunk.layout?.offset == 10)
        #expect(Set(chunk.layout?.lengths ?? []) == [10, 15])
    }

    @Test(
        "a required parameter that is missing or empty is an error with its name",
        arguments: ["resumableIdentifier", "resumableFilename", "resumableTotalSize", "resumableChunkSize"])
    func missing(_ name: String) {
        for purpose in [ChunkRequest.Purpose.test, .upload] {
            #expect(throws: ParameterError.missing(name)) { try read([name: nil as String?], for: purpose) }
            #expect(throws: ParameterError.self) { try read([name: ""], for: purpose) }
        }
    }

    @Test("a test without a chunk number is an error; an upload without one is chunk 1")
    func defaultNumber() throws {
        let none = ["resumableChunkNumber": nil as String?]
        #expect(throws: ParameterError.missing("resumableChunkNumber")) { try read(none, for: .test) }
        #expect(try read(none, for: .upload).layout?.offset == 0)
    }

    @Test(
        "a number is written in decimal digits and nothing else",
        arguments: [
            "x", "-1", "+2", " 2", "2 ", "0x2", "1e1", "2.0", "2,0", "٢", "２", "2\0", "1_0", "NaN",
            "99999999999999999999", "340282366920938463463374607431768211456",
        ])
    func notNumbers(_ text: String) {
        for name in [
            "resumableChunkNumber", "resumableTotalSize", "resumableChunkSize", "resumableCurrentChunkSize",
        ] {
            expectInvalid(name, text)
        }
    }

    @Test("chunk numbers go from 1 to 2^31 - 1, and lie inside the file")
    func chunkNumberLimits() throws {
        expectInvalid("resumableChunkNumber", "0")
        expectInvalid("resumableChunkNumber", "2147483648")
        let largest = ["resumableChunkNumber": "2147483647", "resumableChunkSize": "1"]
        let chunk = try read(largest.merging(["resumableTotalSize": "2147483647"]) { $1 })
        #expect(chunk.layout?.offset == 2_147_483_646)
        #expect(throws: ParameterError.self) {
            try read(largest.merging(["resumableTotalSize": "2147483646"]) { $1 })
        }
        // Chunk 3 is the last that `forceChunkSize` makes of 25 bytes.
        #expect(try read(["resumableChunkNumber": "3"]).layout?.lengths == [5])
        #expect(throws: ParameterError.contradiction("resumableChunkNumber", "resumableTotalSize")) {
            try read(["resumableChunkNumber": "4"])
        }
    }

    @Test("chunk sizes go from 1 to 2^40")
    func chunkSizeLimits() throws {
        expectInvalid("resumableChunkSize", "0")
        expectInvalid("resumableChunkSize", "1099511627777")
        #expect(try read(["resumableChunkSize": "1"]).layout?.offset == 1)
        let largest = try read(["resumableChunkSize": "1099511627776", "resumableChunkNumber": "1"])
        #expect(largest.layout?.lengths == [25])
    }

    @Test("file sizes go from 0 to the configured limit; beyond it is the file's fault, not the request's")
    func totalSizeLimits() throws {
        let empty = try read(["resumableTotalSize": "0", "resumableChunkNumber": "1"])
        #expect(empty.totalSize == 0)
        #expect(empty.layout?.lengths == [0])
        #expect(try read(limit: 25).totalSize == 25)
        #expect(throws: ParameterError.fileTooLarge(limit: 24)) { try read(limit: 24) }
        #expect(throws: ParameterError.fileTooLarge(limit: 24)) {
            try read(["resumableTotalSize": "9223372036854775807"], limit: 24)
        }
    }

    @Test("the size that a client states for this chunk settles its length")
    func currentChunkSize() throws {
        #expect(try read(["resumableCurrentChunkSize": "10"]).layout?.lengths == [10])
        #expect(try read(["resumableCurrentChunkSize": "15"]).layout?.lengths == [15])
    }

    @Test("a size for this chunk that no way of cutting gives is a contradiction", arguments: ["0", "5", "11", "16"])
    func wrongCurrentChunkSize(_ size: String) {
        #expect(throws: ParameterError.contradiction("resumableCurrentChunkSize", "resumableTotalSize")) {
            try read(["resumableCurrentChunkSize": size])
        }
    }

    @Test("a count of chunks that goes on behind this one tells that the file was cut by forceChunkSize")
    func totalChunksHint() throws {
        #expect(try read(["resumableTotalChunks": "3"]).layout?.lengths == [10])
    }

    @Test("a count of chunks decides nothing where sizes do", arguments: ["0", "1", "2", "4", "99", "2147483647"])
    func totalChunksDoNotDecide(_ count: String) throws {
        #expect(try read(["resumableTotalChunks": count]) == read())
        let stated = try read(["resumableTotalChunks": count, "resumableCurrentChunkSize": "15"])
        #expect(stated.layout?.lengths == [15])
        #expect(try read(["resumableTotalChunks": count, "resumableChunkNumber": "1"]).layout?.lengths == [10])
    }

    @Test("without sizes, the number of chunks tells the place, and the chunk's number lies within it")
    func counted() throws {
        func read(number: String, chunks: String, _ more: [String: String] = [:]) throws -> ChunkRequest {
            var parameters = Parameters(limits: ParameterLimits())
            let four = ["Identifier": "i", "Filename": "f", "ChunkNumber": number, "TotalChunks": chunks]
            for (name, value) in four.merging(more, uniquingKeysWith: { $1 }) {
                try parameters.add("resumable" + name, value, from: .fields)
            }
            return try ChunkRequest(parameters, for: .upload, maximumFileSize: 100)
        }
        let chunk = try read(number: "2", chunks: "3")
        #expect(chunk.place == .counted(chunks: 3))
        #expect(chunk.number == 2)
        #expect(chunk.maximumFileSize == 100)
        // One size alone tells no place.
        #expect(try read(number: "2", chunks: "3", ["TotalSize": "50"]).place == .counted(chunks: 3))
        #expect(try read(number: "2", chunks: "3", ["ChunkSize": "10"]).place == .counted(chunks: 3))
        #expect(throws: ParameterError.fileTooLarge(limit: 100)) {
            try read(number: "2", chunks: "3", ["TotalSize": "101"])
        }
        #expect(throws: ParameterError.contradiction("resumableChunkNumber", "resumableTotalChunks")) {
            try read(number: "2", chunks: "1")
        }
        #expect(throws: ParameterError.contradiction("resumableChunkNumber", "resumableTotalChunks")) {
            try read(number: "1", chunks: "0")
        }
    }

    @Test("parameters that the protocol doesn't use are metadata, except for the token")
    func metadata() throws {
        let chunk = try read(["title": "A day", "about": "", "upload_token": "secret", "resumableType": "video/mp4"])
        #expect(
            chunk.metadata
                == Metadata([
                    .init(name: "about", value: ""), .init(name: "resumableType", value: "video/mp4"),
                    .init(name: "title", value: "A day"),
                ]))
        #expect(try read(["title": "Another"]).agrees(with: read()))
        #expect(try !read(["resumableChunkNumber": "1"]).agrees(with: read()))
        #expect(try !read(["resumableRelativePath": "a/clip.mp4"]).agrees(with: read()))
    }

    @Test("metadata may have several values; the field's list takes precedence over the query's")
    func lists() throws {
        var parameters = Parameters(limits: ParameterLimits())
        let known = [
            ("resumableChunkNumber", "1"), ("resumableChunkSize", "10"), ("resumableTotalSize", "5"),
            ("resumableIdentifier", "id"), ("resumableFilename", "a"),
        ]
        for (name, value) in known { try parameters.add(name, value, from: .query) }
        for value in ["red", "blue", "red"] { try parameters.add("tags", value, from: .query) }
        let read = { try ChunkRequest($0, for: .upload, maximumFileSize: 1 << 40).metadata.lists.map(\.values) }
        #expect(try read(parameters) == [["red", "blue", "red"]])
        for value in ["green", "black"] { try parameters.add("tags", value, from: .fields) }
        #expect(try read(parameters) == [["green", "black"]])
    }

    @Test(
        "a parameter that the protocol uses has one value",
        arguments: [
            "resumableChunkNumber", "resumableChunkSize", "resumableTotalSize", "resumableIdentifier",
            "resumableFilename", "resumableTotalChunks", "resumableCurrentChunkSize", "resumableRelativePath",
            "resumableType", "resumableChunkDigest", "resumableLastModified",
        ])
    func oneValue(_ name: String) throws {
        var parameters = Parameters(limits: ParameterLimits())
        let known = [
            ("resumableChunkNumber", "1"), ("resumableChunkSize", "10"), ("resumableTotalSize", "5"),
            ("resumableIdentifier", "id"), ("resumableFilename", "a"),
        ]
        for (name, value) in known { try parameters.add(name, value, from: .query) }
        for value in ["5", "6"] { try parameters.add(name, value, from: .query) }
        #expect(throws: ParameterError.repeated(name)) {
            try ChunkRequest(parameters, for: .upload, maximumFileSize: 1 << 40)
        }
    }

    @Test("the time of modification places the upload: it is no metadata, and two times are two requests")
    func lastModified() throws {
        let chunk = try read(["resumableLastModified": "1700000000123"])
        #expect(chunk.lastModified == 1_700_000_000_123)
        #expect(chunk.metadata.isEmpty)
        #expect(try !chunk.agrees(with: read(["resumableLastModified": "1700000000124"])))
        #expect(try read().lastModified == nil)
    }

    @Test(
        "a time of modification that is not a whole number since 1970 counts as not given",
        arguments: ["", "-1", "1.5", "NaN", "0x10", "9223372036854775808", "99999999999999999999999", "yesterday"])
    func noTime(_ text: String) throws {
        let chunk = try read(["resumableLastModified": text])
        #expect(chunk.lastModified == nil)
        #expect(chunk.metadata.isEmpty)
    }

    @Test("identifiers have 1 to 1,024 bytes and no NUL, and are opaque otherwise")
    func identifiers() throws {
        for text in [String(repeating: "i", count: 1024), "../../etc/passwd", "/", ".", "a b\n", "视频", "🎉"] {
            #expect(try read(["resumableIdentifier": text]).upload.identifier == text)
        }
        expectInvalid("resumableIdentifier", String(repeating: "i", count: 1025))
        expectInvalid("resumableIdentifier", String(repeating: "视", count: 342))
        expectInvalid("resumableIdentifier", "a\0b")
    }

    @Test("uploads are the same if identifier and name are")
    func sameUpload() throws {
        let one = try read().upload
        #expect(try read(["resumableChunkNumber": "1"]).upload == one)
        #expect(try read(["resumableFilename": "clip.mp5"]).upload != one)
        #expect(try read(["resumableIdentifier": "25-clip.mp5"]).upload != one)
    }

    @Test(
        "a relative path is a path of names",
        arguments: [
            "clip.mp4", "a/clip.mp4", "/a/clip.mp4", "视频/一 月/clip.mp4", "a/...", "a/b\\c", ".a/.b", "a./b ", "a/....",
        ])
    func relativePaths(_ path: String) throws {
        _ = try read(["resumableRelativePath": path])
    }

    @Test("a combining mark behind a slash belongs to the name that follows")
    func combiningMark() throws {
        for path in ["a/\u{301}b", "/a/\u{301}b"] {
            #expect(
                try read(["resumableRelativePath": path]).relativePath?.components.map(\.text) == ["a", "\u{301}b"])
        }
        #expect(try read(["resumableRelativePath": "/\u{301}b"]).relativePath?.text == "\u{301}b")
    }

    @Test(
        "components that mean nothing in a path are left out",
        arguments: [
            ("./a", "a"), ("a/./b", "a/b"), ("a//b", "a/b"), ("//a", "a"), ("a/", "a"), ("./././x//y/.", "x/y"),
            ("/./a", "a"), ("", nil), ("/", nil), (".", nil), ("././/", nil),
        ] as [(String, String?)])
    func emptyComponents(_ path: String, _ expected: String?) throws {
        let read = try read(["resumableRelativePath": path]).relativePath
        #expect(read?.text == expected)
        #expect(read?.original == expected)
    }

    @Test("components are names on disk: control characters are replaced, long names shortened")
    func sanitizedComponents() throws {
        let long = String(repeating: "视", count: 93)
        let path = "a\tb/\(long)/Icon\r"
        let read = try #require(try read(["resumableRelativePath": path]).relativePath)
        #expect(read.text == "a_b/" + String(repeating: "视", count: 85) + "/Icon_")
        #expect(read.original == path)
    }

    private static let unusablePaths = ["..", "../clip.mp4", "a/../clip.mp4", "a/..", "/..", "./..", "a//../b"]

    @Test("a relative path that leads out of its folder is unusable", arguments: unusablePaths)
    func badRelativePaths(_ path: String) {
        expectUnusable("resumableRelativePath", path)
    }

    @Test("an unusable path is ignored if the layout uses no paths")
    func ignoredPath() throws {
        for path in Self.unusablePaths + [Array(repeating: "d", count: 300).joined(separator: "/")] {
            var parameters = Parameters(limits: ParameterLimits())
            let all = [
                ("resumableChunkNumber", "1"), ("resumableChunkSize", "10"), ("resumableTotalSize", "5"),
                ("resumableIdentifier", "id"), ("resumableFilename", "a"), ("resumableRelativePath", path),
            ]
            for (name, value) in all { try parameters.add(name, value, from: .query) }
            let chunk = try ChunkRequest(parameters, for: .upload, maximumFileSize: 1 << 40, usesPath: false)
            #expect(chunk.relativePath == nil)
            #expect(chunk.metadata.isEmpty)
        }
    }

    @Test("a relative path has at most 256 components and 4,096 bytes")
    func relativePathLimits() throws {
        let path = { (count: Int) in Array(repeating: "d", count: count).joined(separator: "/") }
        for count in [64, 70, 256] { _ = try read(["resumableRelativePath": path(count)]) }
        expectUnusable("resumableRelativePath", path(257))
        expectUnusable("resumableRelativePath", path(20_000))
        _ = try read(["resumableRelativePath": "a/" + String(repeating: "n", count: 4094)])
        expectUnusable("resumableRelativePath", "a/" + String(repeating: "n", count: 4095))
    }

    @Test("errors are one line without the client's values")
    func descriptions() {
        for changes in [
            ["resumableFilename": "secret/value"], ["resumableTotalSize": "secret"], ["resumableChunkNumber": "777777"],
            ["resumableIdentifier": "secret\0"], ["resumableRelativePath": "secret/.."],
        ] {
            let error = #expect(throws: ParameterError.self) { try read(changes) }
            let line = error.map { "\($0)" } ?? ""
            #expect(line.count > 10)
            #expect(
                line.contains("resumable")
                    != ["resumableFilename", "resumableRelativePath"].contains(changes.keys.first))
            #expect(!line.contains("secret") && !line.contains("777777") && !line.contains("\n"))
        }
    }
}

extension ChunkRequest {
    /// The sizes where they are stated.
    fileprivate var totalSize: UInt64? { if case .sized(let total, _, _) = place { total } else { nil } }
    fileprivate var layout: ChunkLayout? { if case .sized(_, _, let layout) = place { layout } else { nil } }
}
