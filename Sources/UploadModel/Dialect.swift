/// The names under which one family of clients sends its parameters, and what else sets it apart.
///
/// A class, since it is handed on with every chunk: as a value each of its names would be copied then.
package final class Dialect: Sendable, Equatable {
    package let chunkNumber: String
    package let chunkSize: String
    package let currentChunkSize: String
    package let totalSize: String
    package let totalChunks: String
    package let identifier: String
    package let filename: String
    package let relativePath: String
    package let type: String
    package let chunkDigest: String
    /// Where the chunk begins in the file, in bytes, for those who say it besides its number.
    package let chunkOffset: String?
    /// The parameter that carries a permission to upload (seed): never kept.
    package let token: String
    /// What stands before the name of every parameter, and of the form's file part.
    package let namespace: String
    /// The number of a file's first chunk: 0 or 1.
    package let firstNumber: UInt64
    /// True where a client gives a file up when a test of a chunk is answered with 404 (contract, `missing`).
    package let givesUpOnNotFound: Bool

    /// Those that name the upload and the chunk's place; what else a client sends is metadata.
    let placing: Set<String>

    /// Resumable.js (seed, "How do I set it up with my server?").
    package static let resumable = Dialect(prefix: "resumable")

    /// flow.js, which descends from Resumable.js.
    package static let flow = Dialect(prefix: "flow", givesUpOnNotFound: true)

    /// simple-uploader.js, which descends from flow.js: the same names without a prefix.
    package static let simpleUploader = Dialect(prefix: "", givesUpOnNotFound: true)

    /// Dropzone, with its option `chunking`. It sends no file name but that of the form's part, and never asks.
    package static let dropzone = Dialect(
        chunkNumber: "dzchunkindex", chunkSize: "dzchunksize", currentChunkSize: "dzcurrentchunksize",
        totalSize: "dztotalfilesize", totalChunks: "dztotalchunkcount", identifier: "dzuuid", filename: "dzfilename",
        relativePath: "fullPath", type: "dztype", chunkDigest: "dzchunkdigest", chunkOffset: "dzchunkbyteoffset",
        firstNumber: 0)

    private static let known = [resumable, flow, dropzone]

    /// The dialect that these parameters are written in, known by the name of the identifier. Where several would do,
    /// the first in this order: what is left over is metadata then. Resumable.js' own names may have anything in front
    /// of them, its `parameterNamespace`, as long as one namespace is all there is.
    ///
    /// Resumable.js' where nothing tells: then what is missed is missed by its name there.
    package static func of(_ parameters: Parameters) -> Dialect {
        if let dialect = known.first(where: { parameters[$0.identifier] != nil }) { return dialect }
        if parameters[simpleUploader.identifier] != nil, parameters[simpleUploader.chunkNumber] != nil {
            return simpleUploader
        }
        let namespaces = parameters.all.compactMap { $0.name.prefix(before: resumable.identifier) }
        return namespaces.count == 1 ? Dialect(prefix: "resumable", namespace: namespaces[0]) : resumable
    }

    /// No two have the same name for the identifier.
    package static func == (one: Dialect, other: Dialect) -> Bool { one.identifier == other.identifier }

    private convenience init(prefix: String, namespace: String = "", givesUpOnNotFound: Bool = false) {
        func name(_ words: String) -> String {
            let name = prefix.isEmpty ? words.prefix(1).lowercased() + words.dropFirst() : prefix + words
            return namespace + name
        }
        self.init(
            chunkNumber: name("ChunkNumber"), chunkSize: name("ChunkSize"),
            currentChunkSize: name("CurrentChunkSize"), totalSize: name("TotalSize"),
            totalChunks: name("TotalChunks"), identifier: name("Identifier"), filename: name("Filename"),
            relativePath: name("RelativePath"), type: name("Type"), chunkDigest: name("ChunkDigest"),
            namespace: namespace, givesUpOnNotFound: givesUpOnNotFound)
    }

    private init(
        chunkNumber: String, chunkSize: String, currentChunkSize: String, totalSize: String, totalChunks: String,
        identifier: String, filename: String, relativePath: String, type: String, chunkDigest: String,
        chunkOffset: String? = nil, namespace: String = "", firstNumber: UInt64 = 1, givesUpOnNotFound: Bool = false
    ) {
        self.chunkNumber = chunkNumber
        self.chunkSize = chunkSize
        self.currentChunkSize = currentChunkSize
        self.totalSize = totalSize
        self.totalChunks = totalChunks
        self.identifier = identifier
        self.filename = filename
        self.relativePath = relativePath
        self.type = type
        self.chunkDigest = chunkDigest
        self.chunkOffset = chunkOffset
        token = namespace + "upload_token"
        self.namespace = namespace
        self.firstNumber = firstNumber
        self.givesUpOnNotFound = givesUpOnNotFound
        placing = Set(
            [
                chunkNumber, chunkSize, currentChunkSize, totalSize, totalChunks, identifier, filename, relativePath,
                chunkDigest, token,
            ] + (chunkOffset.map { [$0] } ?? []))
    }
}
