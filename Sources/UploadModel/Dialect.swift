/// The names that one family of clients gives its parameters, and its other peculiarities (PROTOCOL.md, Dialects).
///
/// A class because every chunk refers to it: a value would copy all of its names.
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
    /// When the file was last modified, in milliseconds since the Unix epoch; nil for clients that don't send it.
    package let lastModified: String?
    /// Where the chunk begins in the file, in bytes; nil for clients that only send the chunk's number.
    package let chunkOffset: String?
    /// The upload token (PROTOCOL.md, Upload tokens). It is never stored.
    package let token: String
    /// The prefix of every parameter's name and of the name of the form's file part.
    package let namespace: String
    /// The number of a file's first chunk: 0 or 1.
    package let firstNumber: UInt64
    /// True for clients that give a file up when a test is answered with 404.
    package let givesUpOnNotFound: Bool
    /// True for clients that send the file's name in the header of the file part and nowhere else.
    package let namesFileInPart: Bool

    /// The parameters that name the upload and place the chunk. All others except the media type are metadata.
    let placing: Set<String>

    /// Resumable.js.
    package static let resumable = Dialect(prefix: "resumable")

    /// flow.js, which descends from Resumable.js.
    package static let flow = Dialect(prefix: "flow", givesUpOnNotFound: true)

    /// simple-uploader.js, which descends from flow.js: the same names without a prefix.
    package static let simpleUploader = Dialect(prefix: "", givesUpOnNotFound: true)

    /// Dropzone with its option `chunking`. It sends no tests.
    package static let dropzone = Dialect(
        chunkNumber: "dzchunkindex", chunkSize: "dzchunksize", currentChunkSize: "dzcurrentchunksize",
        totalSize: "dztotalfilesize", totalChunks: "dztotalchunkcount", identifier: "dzuuid", filename: "dzfilename",
        relativePath: "fullPath", type: "dztype", chunkDigest: "dzchunkdigest", chunkOffset: "dzchunkbyteoffset",
        firstNumber: 0, namesFileInPart: true)

    private static let known = [resumable, flow, dropzone]

    /// The dialect of these parameters, recognised by the name of the identifier. Where several fit, the first of
    /// `known` wins, then simple-uploader.js, then Resumable.js with its `parameterNamespace`, if there is only one
    /// namespace. Parameters of the other dialects are metadata then.
    ///
    /// Resumable.js where none fits, so that errors name its parameters.
    package static func of(_ parameters: Parameters) -> Dialect {
        if let dialect = known.first(where: { parameters[$0.identifier] != nil }) { return dialect }
        if parameters[simpleUploader.identifier] != nil, parameters[simpleUploader.chunkNumber] != nil {
            return simpleUploader
        }
        // The identifier may be repeated.
        let identifiers = parameters.all.filter { $0.name.prefix(before: resumable.identifier) != nil }
        guard let name = identifiers.first?.name, identifiers.allSatisfy({ $0.name.hasBytes(of: name) }),
            let namespace = name.prefix(before: resumable.identifier)
        else { return resumable }
        return Dialect(prefix: "resumable", namespace: namespace)
    }

    /// The pair of stored metadata that has the file's media type. The dialect itself is not stored, but each has its
    /// own name for the media type, in the order of `of`.
    package static func mediaType(in metadata: Metadata) -> Metadata.Pair? {
        for dialect in known + [simpleUploader] {
            if let pair = metadata.pairs.first(where: { $0.name.hasBytes(of: dialect.type) }) { return pair }
        }
        let namespaced = metadata.pairs.filter { $0.name.prefix(before: resumable.type) != nil }
        guard let first = namespaced.first, namespaced.allSatisfy({ $0.name.hasBytes(of: first.name) }) else {
            return nil
        }
        return first
    }

    /// Two dialects never have the same name for the identifier.
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
            lastModified: name("LastModified"), namespace: namespace, givesUpOnNotFound: givesUpOnNotFound)
    }

    private init(
        chunkNumber: String, chunkSize: String, currentChunkSize: String, totalSize: String, totalChunks: String,
        identifier: String, filename: String, relativePath: String, type: String, chunkDigest: String,
        lastModified: String? = nil, chunkOffset: String? = nil, namespace: String = "", firstNumber: UInt64 = 1,
        givesUpOnNotFound: Bool = false,
        namesFileInPart: Bool = false
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
        self.lastModified = lastModified
        self.chunkOffset = chunkOffset
        token = namespace + "upload_token"
        self.namespace = namespace
        self.firstNumber = firstNumber
        self.givesUpOnNotFound = givesUpOnNotFound
        self.namesFileInPart = namesFileInPart
        placing = Set(
            [
                chunkNumber, chunkSize, currentChunkSize, totalSize, totalChunks, identifier, filename, relativePath,
                chunkDigest, token,
            ] + [lastModified, chunkOffset].compactMap(\.self))
    }
}
