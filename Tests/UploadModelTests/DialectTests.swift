import Testing
import UploadModel

/// The families of clients, each with the parameters that it sends for the second chunk of a file of 25 bytes.
@Suite("How clients name their parameters")
struct DialectTests {
    static let requests: [(client: String, parameters: [(String, String)])] = [
        (
            "Resumable.js",
            [
                ("resumableChunkNumber", "2"), ("resumableChunkSize", "10"), ("resumableCurrentChunkSize", "15"),
                ("resumableTotalSize", "25"), ("resumableType", "video/mp4"), ("resumableIdentifier", "25-clipmp4"),
                ("resumableFilename", "clip.mp4"), ("resumableRelativePath", "a/clip.mp4"),
                ("resumableTotalChunks", "2"),
            ]
        ),
        (
            "Resumable.js with parameterNamespace",
            [
                ("my_resumableChunkNumber", "2"), ("my_resumableChunkSize", "10"),
                ("my_resumableCurrentChunkSize", "15"), ("my_resumableTotalSize", "25"),
                ("my_resumableIdentifier", "25-clipmp4"), ("my_resumableFilename", "clip.mp4"),
                ("my_resumableRelativePath", "a/clip.mp4"), ("my_resumableTotalChunks", "2"),
            ]
        ),
        (
            "flow.js",
            [
                ("flowChunkNumber", "2"), ("flowChunkSize", "10"), ("flowCurrentChunkSize", "15"),
                ("flowTotalSize", "25"), ("flowIdentifier", "25-clipmp4"), ("flowFilename", "clip.mp4"),
                ("flowRelativePath", "a/clip.mp4"), ("flowTotalChunks", "2"),
            ]
        ),
        (
            "simple-uploader.js",
            [
                ("chunkNumber", "2"), ("chunkSize", "10"), ("currentChunkSize", "15"), ("totalSize", "25"),
                ("identifier", "25-clipmp4"), ("filename", "clip.mp4"), ("relativePath", "a/clip.mp4"),
                ("totalChunks", "2"),
            ]
        ),
        (
            "Dropzone",
            [
                ("dzuuid", "25-clipmp4"), ("dzchunkindex", "1"), ("dztotalfilesize", "25"), ("dzchunksize", "15"),
                ("dztotalchunkcount", "2"), ("dzchunkbyteoffset", "15"), ("dzfilename", "clip.mp4"),
            ]
        ),
    ]

    private func read(
        _ pairs: [(String, String)], for purpose: ChunkRequest.Purpose = .upload
    ) throws -> ChunkRequest {
        var parameters = Parameters(limits: ParameterLimits())
        for (name, value) in pairs { try parameters.add(name, value, from: .query) }
        return try ChunkRequest(parameters, for: purpose, maximumFileSize: 1 << 40)
    }

    @Test("each client's second chunk is the second chunk", arguments: requests.indices)
    func understood(index: Int) throws {
        let request = DialectTests.requests[index]
        let chunk = try read(request.parameters)
        #expect(chunk.number == 2)
        #expect(chunk.upload.identifier == "25-clipmp4")
        #expect(chunk.upload.filename.text == "clip.mp4")
        guard case .sized(let total, _, let layout) = chunk.place else { return #expect(Bool(false)) }
        #expect(total == 25)
        #expect(layout.offset == (request.client == "Dropzone" ? 15 : 10))
        #expect(chunk.dialect.givesUpOnNotFound == ["flow.js", "simple-uploader.js"].contains(request.client))
    }

    @Test("the parameters that name the upload and place the chunk are not metadata", arguments: requests.indices)
    func noMetadata(index: Int) throws {
        let chunk = try read(DialectTests.requests[index].parameters + [("title", "Holiday")])
        #expect(chunk.metadata.pairs.map(\.name).filter { !$0.hasSuffix("Type") } == ["title"])
    }

    @Test("an error names the parameter as the client does", arguments: requests.indices)
    func names(index: Int) throws {
        let parameters = DialectTests.requests[index].parameters
        for (name, _) in parameters where name.lowercased().contains("totalsize") || name.contains("totalfilesize") {
            #expect(throws: ParameterError.missing(name)) {
                try read(parameters.filter { $0.0 != name && !$0.0.lowercased().contains("totalchunk") })
            }
        }
    }

    @Test("other clients' names beside Resumable.js' own are metadata")
    func precedence() throws {
        let chunk = try read(
            DialectTests.requests[0].parameters + [("identifier", "x"), ("chunkNumber", "9"), ("dzuuid", "y")])
        #expect(chunk.upload.identifier == "25-clipmp4")
        #expect(chunk.metadata["dzuuid"] == "y")
    }

    @Test("a lone `identifier` selects no dialect, so the error names Resumable.js' parameter")
    func identifierAlone() throws {
        #expect(throws: ParameterError.missing("resumableFilename")) { try read([("identifier", "x")]) }
    }

    @Test("a namespace is bytes, also where they join with the letter behind them to one character")
    func joiningNamespace() throws {
        // ARABIC NUMBER SIGN: by Unicode one character with what follows it.
        let namespace = "\u{600}"
        let parameters = DialectTests.requests[0].parameters.map { (namespace + $0.0, $0.1) }
        #expect(try read(parameters).dialect.namespace == namespace)
    }

    @Test("with a namespace, too, a parameter may be repeated with the same value")
    func repeated() throws {
        let parameters = DialectTests.requests[0].parameters.map { ("ns" + $0.0, $0.1) }
        #expect(try read(parameters + parameters).dialect.namespace == "ns")
        let type = ("nsresumableType", "image/png")
        let metadata = try read(parameters.filter { $0.0 != type.0 } + [type, type]).metadata
        #expect(Dialect.mediaType(in: metadata)?.value == "image/png")
    }

    @Test("parameters with two namespaces are those of no namespace")
    func twoNamespaces() throws {
        #expect(throws: ParameterError.missing("resumableFilename")) {
            try read([("a_resumableIdentifier", "x"), ("b_resumableIdentifier", "x")])
        }
    }

    @Test("Dropzone counts from 0, and its offset must be that of the chunk")
    func dropzone() throws {
        func chunk(_ index: String, _ offset: String) throws -> UInt64 {
            let parameters = DialectTests.requests[4].parameters.map { name, value in
                (name, name == "dzchunkindex" ? index : name == "dzchunkbyteoffset" ? offset : value)
            }
            return try read(parameters).number
        }
        #expect(try chunk("0", "0") == 1)
        #expect(throws: ParameterError.contradiction("dzchunkbyteoffset", "dzchunkindex")) { try chunk("0", "15") }
        #expect(throws: ParameterError.self) { try chunk("-1", "0") }
        #expect(throws: ParameterError.self) { try chunk("2147483647", "0") }
    }
}
