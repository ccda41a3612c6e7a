import Linux
import UploadModel
import UploadStore

/// The facts of an upload, which its first chunk has stated. They never change.
struct Claim: Sendable, Equatable {
    let id: UploadID
    /// The path that the client states, which places the file in the layout `tree`.
    let relativePath: RelativePath?
    /// The size of the file in bytes.
    let size: UInt64
    /// `Grid.cell`; 0 for an empty file, and for one that was sent whole.
    let cell: UInt64
    /// When the file was modified, as the client stated it.
    let lastModified: UInt64?
    /// In Unix seconds.
    let begun: UInt64
    let metadata: Metadata
    /// The finished upload whose place this one takes.
    let predecessor: Predecessor?
    /// The key of the object that counts the upload against a token's quota.
    let slot: String?

    /// A finished upload of the same identity. A client may have been told that some of its chunks are held, before
    /// another chunk showed that the file is another one. Those chunks are read from the finished file.
    struct Predecessor: Sendable, Equatable {
        let generation: Generation.Name
        /// The path of its file.
        let path: String
        /// The generation that has put the file.
        let putBy: Generation.Name
        /// Where the chunk lies that differs: confirmed ranges in front of it are held, others are provisional.
        let before: UInt64
    }

    init(
        _ chunk: ChunkRequest, size: UInt64, cell: UInt64, begun: UInt64, predecessor: Predecessor? = nil,
        slot: String? = nil
    ) {
        id = chunk.upload
        relativePath = chunk.relativePath
        self.size = size
        self.cell = cell
        lastModified = chunk.lastModified
        self.begun = begun
        metadata = chunk.metadata
        self.predecessor = predecessor
        self.slot = slot
    }

    /// True if the upload has a ledger. One that takes the place of a finished upload has none, because other hosts may
    /// confirm ranges of that.
    var hasLedger: Bool { predecessor == nil }

    /// Nil for a file that has no cells.
    var grid: Grid? { Grid(size: size, cell: cell) }

    init?(_ fields: Fields) {
        guard let identifier = fields["identifier"], let name = fields["name"], let size = fields.number("size"),
            let cell = fields.number("cell"), let begun = fields.number("begun"),
            let filename = try? FileName(name, parameter: "")
        else { return nil }
        let folder = fields["folder"].flatMap { try? RelativePath($0, parameter: "") }
        let isOwned = fields["owner"] != nil || folder != nil
        guard let owner = isOwned ? Owner(subject: fields["owner"] ?? "", directory: folder) : .nobody,
            let id = try? UploadID(
                identifier: identifier, filename: filename, owner: owner,
                path: fields["identity-path"].flatMap { try? RelativePath($0, parameter: "") }, parameter: "")
        else { return nil }
        self.id = id
        relativePath = fields["path"].flatMap { try? RelativePath($0, parameter: "") }
        self.size = size
        self.cell = cell
        self.begun = begun
        lastModified = fields.number("modified")
        var pairs: [Metadata.Pair] = []
        for pair in fields.pairs where pair.name == "parameter" {
            guard let parameter = Fields(Array(pair.value.utf8))?.pairs.first else { return nil }
            pairs.append(Metadata.Pair(name: Claim.decoded(parameter.name), value: parameter.value))
        }
        metadata = Metadata(pairs)
        if let generation = fields["after"].flatMap({ Generation.Name($0) }), let path = fields["after-path"] {
            predecessor = Predecessor(
                generation: generation, path: path,
                putBy: fields["after-put-by"].flatMap { Generation.Name($0) } ?? generation,
                before: fields.number("after-before") ?? 0)
        } else {
            predecessor = nil
        }
        slot = fields["slot"]
    }

    func write(to fields: inout Fields) {
        fields["identifier"] = id.identifier
        fields["name"] = id.filename.original
        fields["owner"] = id.owner.subject.isEmpty ? nil : id.owner.subject
        fields["folder"] = id.owner.directory?.original
        fields["identity-path"] = id.path?.original
        fields["path"] = relativePath?.original
        fields["size"] = String(size)
        fields["cell"] = String(cell)
        fields["modified"] = lastModified.map { String($0) }
        fields["begun"] = String(begun)
        for pair in metadata.pairs {
            // The name of a parameter can have any character, too.
            fields["parameter"] = "\(percentEncoded(pair.name)) \(percentEncoded(pair.value))"
        }
        if let predecessor {
            fields["after"] = predecessor.generation.text
            fields["after-path"] = predecessor.path
            if predecessor.putBy != predecessor.generation { fields["after-put-by"] = predecessor.putBy.text }
            fields["after-before"] = String(predecessor.before)
        }
        fields["slot"] = slot
    }

    private static func decoded(_ name: String) -> String {
        Fields(Array("x \(name)".utf8))?["x"] ?? name
    }
}

/// The name that a file will have, chosen once.
struct Target: Sendable, Equatable {
    /// The path of the file.
    let path: String
    /// The id of the multipart upload under the file's key; nil if the file has a single cell.
    let multipart: String?

    init(path: String, multipart: String?) {
        self.path = path
        self.multipart = multipart
    }

    init?(_ fields: Fields) {
        guard let path = fields["file"] else { return nil }
        self.init(path: path, multipart: fields["multipart"])
    }

    func write(to fields: inout Fields) {
        fields["file"] = path
        fields["multipart"] = multipart
    }
}

/// How a generation begins. Made once, so of a first chunk and a whole file at the same time, one begins it.
enum Beginning: Sendable, Equatable {
    /// Chunks are stored until all of the file is held.
    case chunks(Claim)
    /// A chunk that is the whole file is put under this name. Nothing is held before that.
    case whole(Claim, Target)

    init?(_ fields: Fields) {
        guard let claim = Claim(fields) else { return nil }
        guard fields["whole"] != nil else {
            guard claim.grid != nil else { return nil }
            self = .chunks(claim)
            return
        }
        guard let target = Target(fields) else { return nil }
        self = .whole(claim, target)
    }

    func write(to fields: inout Fields) {
        switch self {
        case .chunks(let claim): claim.write(to: &fields)
        case .whole(let claim, let target):
            claim.write(to: &fields)
            target.write(to: &fields)
            fields["whole"] = "yes"
        }
    }
}

/// Why a generation takes nothing more. Made once, so of a completion and a removal at the same time, one happens.
enum Ending: Sendable, Equatable {
    /// All bytes are held, and the file is being published. `settles` tells whether provisional ranges are part of it.
    case finishing(settles: Bool)
    /// The upload was removed.
    case removed(RemovalCause)

    init?(_ fields: Fields) {
        switch fields["end"] {
        case "finishing": self = .finishing(settles: fields["settles"] == "yes")
        case let cause?:
            guard let cause = RemovalCause(rawValue: cause) else { return nil }
            self = .removed(cause)
        case nil: return nil
        }
    }

    func write(to fields: inout Fields) {
        switch self {
        case .finishing(let settles):
            fields["end"] = "finishing"
            if settles { fields["settles"] = "yes" }
        case .removed(let cause): fields["end"] = cause.rawValue
        }
    }
}

/// How a generation that was to be published has ended. The process that makes it tells of it.
struct Outcome: Sendable, Equatable {
    let claim: Claim
    /// The path of the file; nil if the generation ended without one.
    let path: String?
    /// In Unix seconds.
    let finished: UInt64
    /// Names the bytes of a file that was put whole (`BlockDigests.digest`); nil if the process that recorded the
    /// outcome did not have them.
    let digest: String?
    /// The generation that has put the file, if that is an earlier one: this one turned out to be the same file.
    let putBy: Generation.Name?
    /// The note that names the recipients of the file's event (`OwedNote.nonce`); nil if there are none.
    var note: String?

    init(
        _ claim: Claim, path: String?, finished: UInt64, digest: String? = nil, putBy: Generation.Name? = nil
    ) {
        self.claim = claim
        self.path = path
        self.finished = finished
        self.digest = digest
        self.putBy = putBy
    }

    init?(_ fields: Fields) {
        guard let claim = Claim(fields), let finished = fields.number("finished") else { return nil }
        self.init(
            claim, path: fields["file"], finished: finished, digest: fields["digest"],
            putBy: fields["put-by"].flatMap { Generation.Name($0) })
        note = fields["note"]
    }

    func write(to fields: inout Fields) {
        claim.write(to: &fields)
        fields["file"] = path
        fields["finished"] = String(finished)
        fields["digest"] = digest
        fields["put-by"] = putBy?.text
        fields["note"] = note
    }

    var summary: UploadSummary {
        UploadSummary(
            id: claim.id, size: claim.size, held: claim.size, begun: claim.begun, touched: finished,
            finished: finished, path: path, metadata: claim.metadata)
    }
}

/// The generation that has reserved the name of a file.
struct Reservation: Sendable, Equatable {
    /// `UploadKey.text`.
    let upload: String
    let generation: Generation.Name
    /// When, in Unix seconds.
    let time: UInt64

    init(upload: String, generation: Generation.Name, time: UInt64) {
        self.upload = upload
        self.generation = generation
        self.time = time
    }

    init?(_ fields: Fields) {
        guard let upload = fields["upload"], let time = fields.number("time"),
            let generation = fields["generation"].flatMap({ Generation.Name($0) })
        else { return nil }
        self.init(upload: upload, generation: generation, time: time)
    }

    func write(to fields: inout Fields) {
        fields["upload"] = upload
        fields["generation"] = generation.text
        fields["time"] = String(time)
    }
}
