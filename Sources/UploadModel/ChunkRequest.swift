/// What a request says about its chunk, read once into a value that can't be wrong.
public struct ChunkRequest: Sendable, Equatable {
    /// The upload that the chunk belongs to.
    public let upload: UploadID
    /// The size of the whole file in bytes.
    public let totalSize: UInt64
    /// Where in the file the chunk lies.
    public let layout: ChunkLayout

    /// Whether a chunk is asked for or sent: a sender may leave the number out (contract: default 1, as in Flask).
    public enum Purpose: Sendable { case test, upload }

    /// Reads the parameters by the rules of the contract.
    ///
    /// - Parameters:
    ///   - maximumFileSize: how many bytes a file may have.
    ///   - bodyLength: how many bytes the chunk has, once that is known. It stands in for the sizes where the client
    ///     says only that the file is one chunk, as the Flask backend let it.
    /// - Throws: `ParameterError`.
    public init(
        _ parameters: Parameters,
        dialect: Dialect = .resumable,
        for purpose: Purpose,
        maximumFileSize: UInt64,
        bodyLength: UInt64? = nil
    ) throws(ParameterError) {
        func number(_ name: String, in range: ClosedRange<UInt64>) throws(ParameterError) -> UInt64? {
            guard let text = parameters[name] else { return nil }
            guard let value = UInt64(decimal: text), range.contains(value) else {
                throw .invalid(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }

        upload = try UploadID(parameters, dialect: dialect)
        if let path = parameters[dialect.relativePath], !path.isEmpty {
            try RelativePath.check(path, parameter: dialect.relativePath)
        }

        let chunkNumber = try number(dialect.chunkNumber, in: 1...0x7fff_ffff)
        if chunkNumber == nil && purpose == .test { throw .missing(dialect.chunkNumber) }
        let totalChunks = try number(dialect.totalChunks, in: 0...0x7fff_ffff)
        let wholeFile = totalChunks == 1 ? bodyLength : nil
        guard let total = try number(dialect.totalSize, in: 0...UInt64(Int64.max)) ?? wholeFile else {
            throw .missing(dialect.totalSize)
        }
        guard total <= maximumFileSize else { throw .fileTooLarge(limit: maximumFileSize) }
        guard let chunkSize = try number(dialect.chunkSize, in: 1...1 << 40) ?? wholeFile.map({ max($0, 1) }) else {
            throw .missing(dialect.chunkSize)
        }
        guard let layout = ChunkLayout(number: chunkNumber ?? 1, chunkSize: chunkSize, total: total) else {
            throw .contradiction(dialect.chunkNumber, dialect.totalSize)
        }
        totalSize = total

        if let length = try number(dialect.currentChunkSize, in: 0...1 << 41) {
            guard let settled = layout.settled(length: length) else {
                throw .contradiction(dialect.currentChunkSize, dialect.totalSize)
            }
            self.layout = settled
        } else if layout.lengths.count == 2, let totalChunks, let chunkNumber, totalChunks == chunkNumber + 1,
            let settled = layout.settled(length: chunkSize)
        {
            // Only `forceChunkSize` has a chunk behind this one. The count decides nothing else: old releases could
            // send a changing one while they started up.
            self.layout = settled
        } else {
            self.layout = layout
        }
    }
}

extension UInt64 {
    /// The number that `text` writes in decimal digits and nothing else: no sign, no space; nil past 64 bits.
    fileprivate init?(decimal text: String) {
        guard text.utf8.count <= 20, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        self.init(text)
    }
}

extension UploadID {
    /// The upload that the parameters name.
    ///
    /// - Throws: `ParameterError`.
    public init(_ parameters: Parameters, dialect: Dialect = .resumable) throws(ParameterError) {
        guard let name = parameters[dialect.filename] else { throw .missing(dialect.filename) }
        guard let identifier = parameters[dialect.identifier] else { throw .missing(dialect.identifier) }
        try self.init(
            identifier: identifier, filename: try FileName(name, parameter: dialect.filename),
            parameter: dialect.identifier)
    }
}
