/// The names under which one family of clients sends its parameters.
public struct Dialect: Sendable {
    public let chunkNumber: String
    public let chunkSize: String
    public let currentChunkSize: String
    public let totalSize: String
    public let totalChunks: String
    public let identifier: String
    public let filename: String
    public let relativePath: String
    public let type: String
    public let chunkDigest: String

    /// Those that name the upload and the chunk's place; what else a client sends is metadata.
    let placing: Set<String>

    /// The parameter that carries a permission to upload (seed): never kept.
    public static let token = "upload_token"

    /// Resumable.js (seed, "How do I set it up with my server?").
    public static let resumable = Dialect(prefix: "resumable")

    private init(prefix: String) {
        chunkNumber = prefix + "ChunkNumber"
        chunkSize = prefix + "ChunkSize"
        currentChunkSize = prefix + "CurrentChunkSize"
        totalSize = prefix + "TotalSize"
        totalChunks = prefix + "TotalChunks"
        identifier = prefix + "Identifier"
        filename = prefix + "Filename"
        relativePath = prefix + "RelativePath"
        type = prefix + "Type"
        chunkDigest = prefix + "ChunkDigest"
        placing = [
            chunkNumber, chunkSize, currentChunkSize, totalSize, totalChunks, identifier, filename, relativePath,
            chunkDigest, Dialect.token,
        ]
    }
}
