/// What a request says about its chunk, read once into a value that can't be wrong.
package struct ChunkRequest: Sendable, Equatable {
    /// How the client names its parameters.
    package let dialect: Dialect
    /// The upload that the chunk belongs to.
    package let upload: UploadID
    /// The chunk's number, from 1.
    package let number: UInt64
    /// Where in the file the chunk lies.
    package let place: Place
    /// The file's path below the folder that was picked, if the client says one.
    package let relativePath: RelativePath?
    /// The largest file that is accepted, in bytes. A place without sizes is held against it once they are known.
    package let maximumFileSize: UInt64
    /// Who sends it, as far as limits go; empty where nothing is known of him.
    package var sender = ""
    /// What else the client says of the file.
    package let metadata: Metadata
    /// How many files the sender may upload; nil: any number.
    package let quota: TokenQuota?

    /// How a client tells where a chunk lies.
    package enum Place: Sendable, Equatable {
        /// It says the sizes: of the whole file and of its chunks, in bytes.
        case sized(total: UInt64, chunkSize: UInt64, ChunkLayout)
        /// It says only how many chunks there are, as the Flask backend let it: the chunks themselves tell the rest.
        case counted(chunks: UInt64)
    }

    /// True where the chunk is the whole file, by the sizes that the client says.
    package var isWholeFile: Bool {
        if case .sized(let total, _, let layout) = place { layout.lengths == [total] } else { false }
    }

    /// Whether a chunk is asked for or sent: a sender may leave the number out (contract: default 1, as in Flask).
    package enum Purpose: Sendable { case test, upload }

    /// A request of which all is known already.
    package init(
        upload: UploadID, number: UInt64, place: Place, relativePath: RelativePath? = nil,
        maximumFileSize: UInt64 = 1 << 40, metadata: Metadata = Metadata(), quota: TokenQuota? = nil
    ) {
        dialect = .resumable
        self.upload = upload
        self.number = number
        self.place = place
        self.relativePath = relativePath
        self.maximumFileSize = maximumFileSize
        self.metadata = metadata
        self.quota = quota
    }

    /// Reads the parameters by the rules of the contract.
    ///
    /// - Parameters:
    ///   - permit: what the sender may do.
    ///   - maximumFileSize: how many bytes a file may have, whatever the permit says.
    /// - Throws: `ParameterError`.
    package init(
        _ parameters: Parameters, for purpose: Purpose, permit: Permit = Permit(), maximumFileSize: UInt64
    ) throws(ParameterError) {
        func integer(_ name: String, in range: ClosedRange<UInt64>) throws(ParameterError) -> UInt64? {
            guard let text = parameters[name] else { return nil }
            guard let value = UInt64(decimal: text), range.contains(value) else {
                throw .invalid(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }

        let dialect = Dialect.of(parameters)
        self.dialect = dialect
        upload = try UploadID(parameters, dialect: dialect, owner: permit.owner)
        let maximumFileSize = min(maximumFileSize, permit.maximumFileSize ?? .max)
        self.maximumFileSize = maximumFileSize
        quota = permit.quota
        if let path = parameters[dialect.relativePath], !path.isEmpty {
            relativePath = try RelativePath(path, parameter: dialect.relativePath)
        } else {
            relativePath = nil
        }
        // A test leaves nothing behind.
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
            // Only `forceChunkSize` has a chunk behind this one. The count decides nothing else: old releases could
            // send a changing one while they started up.
            place = .sized(total: total, chunkSize: chunkSize, settled)
        } else {
            place = .sized(total: total, chunkSize: chunkSize, layout)
        }
    }

    /// True if both speak of the same bytes of the same file, whatever else they say of it.
    package func agrees(with other: ChunkRequest) -> Bool {
        upload == other.upload && number == other.number && place == other.place
            && relativePath == other.relativePath
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
    package init(_ parameters: Parameters, owner: Owner) throws(ParameterError) {
        try self.init(parameters, dialect: Dialect.of(parameters), owner: owner)
    }

    init(_ parameters: Parameters, dialect: Dialect, owner: Owner) throws(ParameterError) {
        guard let name = parameters[dialect.filename] else { throw .missing(dialect.filename) }
        guard let identifier = parameters[dialect.identifier] else { throw .missing(dialect.identifier) }
        try self.init(
            identifier: identifier, filename: try FileName(name, parameter: dialect.filename), owner: owner,
            parameter: dialect.identifier)
    }
}
