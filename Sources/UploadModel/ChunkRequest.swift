/// The parameters of a request, parsed and validated once (PROTOCOL.md, Parameters).
package struct ChunkRequest: Sendable, Equatable {
    /// The client's dialect.
    package let dialect: Dialect
    /// The upload that the chunk belongs to.
    package var upload: UploadID
    /// The chunk's number, from 1.
    package let number: UInt64
    /// The chunk's place in the file.
    package let place: Place
    /// The file's path below the folder that was picked, if the client sends one.
    package let relativePath: RelativePath?
    /// When the file was last modified, in milliseconds since the Unix epoch; nil if the client doesn't state it, or
    /// states something else than a whole number, such as a time before 1970.
    package var lastModified: UInt64?
    /// The largest file that is accepted, in bytes. If the client states no size, the store compares it once it is
    /// known.
    package let maximumFileSize: UInt64
    /// The client that the upload counts against in limits; empty if nothing is known of the client.
    package var clientKey = ""
    /// The other parameters that describe the file.
    package let metadata: Metadata
    /// How many files may be uploaded with the client's token; nil: any number.
    package let quota: TokenQuota?

    /// How a client states the place of a chunk.
    package enum Place: Sendable, Equatable {
        /// By the sizes of the whole file and of its chunks, in bytes.
        case sized(total: UInt64, chunkSize: UInt64, ChunkLayout)
        /// By the number of chunks alone, as the Flask backend allowed. The sizes follow from the chunks themselves.
        case counted(chunks: UInt64)
    }

    /// True if the file has no other chunk, by the sizes or the number of chunks that the client states.
    package var isOnlyChunk: Bool { isWholeFile || place == .counted(chunks: 1) }

    /// True if the chunk is the whole file, by the sizes that the client states.
    package var isWholeFile: Bool {
        if case .sized(let total, _, let layout) = place { layout.lengths == [total] } else { false }
    }

    /// Whether a chunk is tested or sent. Only a test needs the chunk's number; an upload without it is chunk 1.
    package enum Purpose: Sendable { case test, upload }

    /// A request from values that are valid already.
    package init(
        upload: UploadID, number: UInt64, place: Place, relativePath: RelativePath? = nil,
        lastModified: UInt64? = nil, maximumFileSize: UInt64 = 1 << 40, metadata: Metadata = Metadata(),
        quota: TokenQuota? = nil
    ) {
        dialect = .resumable
        self.upload = upload
        self.number = number
        self.place = place
        self.relativePath = relativePath
        self.lastModified = lastModified
        self.maximumFileSize = maximumFileSize
        self.metadata = metadata
        self.quota = quota
    }

    /// Reads the parameters.
    ///
    /// - Parameters:
    ///   - permit: what the client may do.
    ///   - maximumFileSize: the largest file, in bytes; a smaller limit of the permit applies as well.
    ///   - usesPath: false if the store doesn't use the relative path: then an unusable one is ignored.
    /// - Throws: `ParameterError`.
    package init(
        _ parameters: Parameters, for purpose: Purpose, permit: Permit = Permit(), maximumFileSize: UInt64,
        usesPath: Bool = true
    ) throws(ParameterError) {
        func integer(_ name: String, in range: ClosedRange<UInt64>) throws(ParameterError) -> UInt64? {
            guard let text = try parameters.single(name) else { return nil }
            guard let value = UInt64(decimal: text), range.contains(value) else {
                throw .invalid(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }

        let dialect = Dialect.of(parameters)
        self.dialect = dialect
        let path = try Self.relativePath(parameters, dialect, isUsed: usesPath)
        upload = try UploadID(parameters, dialect: dialect, owner: permit.owner, path: path)
        relativePath = path
        let maximumFileSize = min(maximumFileSize, permit.maximumFileSize ?? .max)
        self.maximumFileSize = maximumFileSize
        quota = permit.quota
        lastModified = try dialect.lastModified.flatMap { name throws(ParameterError) in try parameters.single(name) }
            .flatMap { UInt64(decimal: $0) }.flatMap { $0 <= UInt64(Int64.max) ? $0 : nil }
        // Neither is used here, but two values would leave open which of them counts.
        _ = try (parameters.single(dialect.type), parameters.single(dialect.chunkDigest))
        // A test stores nothing.
        metadata =
            purpose == .test ? Metadata() : Metadata(parameters.all.filter { !dialect.placing.contains($0.name) })

        let first = dialect.firstNumber
        let stated = try integer(dialect.chunkNumber, in: first...0x7fff_fffe + first).map { $0 + 1 - first }
        if stated == nil && purpose == .test { throw .missing(dialect.chunkNumber) }
        let number = stated ?? 1
        self.number = number
        let count = try integer(dialect.totalChunks, in: 0...0x7fff_ffff)
        let total = try integer(dialect.totalSize, in: 0...UInt64(Int64.max))
        if let total, total > maximumFileSize { throw .fileTooLarge(limit: maximumFileSize) }
        let chunkSize = try integer(dialect.chunkSize, in: 1...1 << 40)
        let length = try integer(dialect.currentChunkSize, in: 0...1 << 41)
        guard let total, let chunkSize else {
            guard let count else { throw .missing(total == nil ? dialect.totalSize : dialect.chunkSize) }
            guard number <= count else { throw .contradiction(dialect.chunkNumber, dialect.totalChunks) }
            place = .counted(chunks: count)
            return
        }
        guard let layout = ChunkLayout(number: number, chunkSize: chunkSize, total: total) else {
            throw .contradiction(dialect.chunkNumber, dialect.totalSize)
        }
        if let name = dialect.chunkOffset, let offset = try integer(name, in: 0...UInt64(Int64.max)),
            offset != layout.offset
        {
            throw .contradiction(name, dialect.chunkNumber)
        }
        if let length {
            guard let settled = layout.settled(length: length) else {
                throw .contradiction(dialect.currentChunkSize, dialect.totalSize)
            }
            place = .sized(total: total, chunkSize: chunkSize, settled)
        } else if layout.lengths.count == 2, stated != nil, count == number + 1,
            let settled = layout.settled(length: chunkSize)
        {
            // Only `forceChunkSize` has a chunk behind this one. The count decides nothing else: old releases of the
            // client could send a changing count while they started up.
            place = .sized(total: total, chunkSize: chunkSize, settled)
        } else {
            place = .sized(total: total, chunkSize: chunkSize, layout)
        }
    }

    /// True if both mean the same bytes of the same file, whatever their metadata.
    package func agrees(with other: ChunkRequest) -> Bool {
        upload == other.upload && number == other.number && place == other.place
            && relativePath == other.relativePath && lastModified == other.lastModified
    }

    private static func relativePath(
        _ parameters: Parameters, _ dialect: Dialect, isUsed: Bool
    ) throws(ParameterError) -> RelativePath? {
        guard let path = try parameters.single(dialect.relativePath) else { return nil }
        do throws(ParameterError) { return try RelativePath(path, parameter: dialect.relativePath) } catch {
            if isUsed { throw error }
            return nil
        }
    }
}

extension UInt64 {
    /// The number that `text` has in decimal digits, without sign or space; nil if it doesn't fit into 64 bits.
    fileprivate init?(decimal text: String) {
        guard text.utf8.count <= 20, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        self.init(text)
    }
}

extension UploadID {
    /// The upload that the parameters belong to.
    ///
    /// - Throws: `ParameterError`.
    package init(_ parameters: Parameters, owner: Owner) throws(ParameterError) {
        let dialect = Dialect.of(parameters)
        let path = try parameters.single(dialect.relativePath).flatMap { text in
            try? RelativePath(text, parameter: dialect.relativePath)
        }
        try self.init(parameters, dialect: dialect, owner: owner, path: path)
    }

    fileprivate init(
        _ parameters: Parameters, dialect: Dialect, owner: Owner, path: RelativePath?
    ) throws(ParameterError) {
        guard let name = try parameters.single(dialect.filename) else { throw .missing(dialect.filename) }
        guard let identifier = try parameters.single(dialect.identifier) else { throw .missing(dialect.identifier) }
        try self.init(
            identifier: identifier, filename: try FileName(name, parameter: dialect.filename), owner: owner,
            path: path, parameter: dialect.identifier)
    }
}
