import Linux
import S3
import UploadModel
import UploadStore

/// The state in which a request finds an upload.
struct Look: Sendable {
    let id: UploadID
    /// The folder of its objects.
    let folder: String
    let listing: Listing
    /// The generation that counts, with the records of its ledger while they are needed; nil if none was ever begun.
    let generation: Generation?
    let phase: Phase

    enum Phase: Sendable {
        /// There is no upload, or it was removed, or its file could not be published.
        case none
        /// The upload takes chunks.
        case live(Claim)
        /// All bytes are held, and the file has to be published.
        case finishing(Claim, settles: Bool)
        /// A file that is a single chunk has to be put.
        case whole(Claim, Target)
        /// The file was published under this path.
        case finished(Outcome, path: String)
    }

    func holdings(_ claim: Claim, settlesProvisional: Bool = false) -> Holdings {
        // The size of a live upload is never 0, and its claim was checked when it was read.
        let grid = claim.grid ?? .none
        guard let generation else { return Holdings(grid: grid, Generation(name: Generation.Name(0))) }
        return Holdings(
            grid: grid, generation, confirmed: claim.predecessor.flatMap { listing[$0.generation]?.confirmed } ?? [],
            before: claim.predecessor?.before ?? 0, settlesProvisional: settlesProvisional)
    }

    /// The value of the metadata `resumabled` of the finished file, by which it is known.
    func seal(_ name: Generation.Name) -> String { ObjectStore.seal(of: id, name) }
}

extension ObjectStore {
    /// The name of the metadata by which a finished file is known.
    static let seal = "resumabled"

    /// The value of that metadata for the file of a generation.
    static func seal(of id: UploadID, _ generation: Generation.Name) -> String {
        "\(UploadKey(id).text).\(generation.text)"
    }

    /// Lists an upload's objects, and reads those that say what it is.
    func look(_ id: UploadID) throws(StoreError) -> Look {
        let folder = keys.upload(UploadKey(id))
        for _ in 0..<ObjectStore.maximumAttempts {
            let listing = Listing(try onEngine { () throws(S3Error) in try bucket.listAll(folder) }, folder: folder)
            guard let look = try look(id, folder, listing) else { continue }
            remember(look)
            return look
        }
        throw .busy
    }

    private func remember(_ look: Look) {
        forgetWriter(look)
        known.withLock { known in
            guard case .live(let claim) = look.phase else {
                known[look.folder] = nil
                return
            }
            if known.count >= settings.openUploads { known = [:] }
            known[look.folder] = claim
        }
    }

    /// Reads the documents of the newest generation; nil if one was deleted meanwhile.
    func look(_ id: UploadID, _ folder: String, _ listing: Listing) throws(StoreError) -> Look? {
        guard let generation = listing.generations.last(where: { $0.isBegun }) else {
            return Look(id: id, folder: folder, listing: listing, generation: listing.newest, phase: .none)
        }
        guard let phase = try phase(folder, generation),
            let generation = try withLedger(generation, folder, phase)
        else { return nil }
        return Look(id: id, folder: folder, listing: listing, generation: generation, phase: phase)
    }

    /// Adds the records of the ledger to a generation that is not over; nil if an entry was deleted meanwhile.
    func withLedger(
        _ generation: Generation, _ folder: String, _ phase: Look.Phase
    ) throws(StoreError) -> Generation? {
        switch phase {
        case .live, .finishing:
            guard let lines = try read(generation.ledger, folder, generation.name) else { return nil }
            var generation = generation
            generation.add(lines)
            return generation
        case .none, .whole, .finished: return generation
        }
    }

    /// The phase of a generation; nil if one of its documents was deleted meanwhile.
    func phase(_ folder: String, _ generation: Generation) throws(StoreError) -> Look.Phase? {
        func document<Value>(_ mark: Mark, _ read: (Fields) -> Value?) throws(StoreError) -> Value? {
            guard let etag = generation.marks[mark] else { return nil }
            let key = keys.mark(folder, generation.name, mark)
            guard let fields = try documents.fields(key, etag, in: bucket) else { return nil }
            return try understood(read(fields), key)
        }
        if generation.marks[.done] != nil {
            guard let outcome = try document(.done, { Outcome($0) }) else { return nil }
            return outcome.path.map { .finished(outcome, path: $0) } ?? Look.Phase.none
        }
        if generation.marks[.end] != nil {
            guard let ending = try document(.end, { Ending($0) }) else { return nil }
            guard case .finishing(let settles) = ending else { return Look.Phase.none }
            return try document(.claim) { Claim($0) }.map { .finishing($0, settles: settles) }
        }
        guard let beginning = try document(.claim, { Beginning($0) }) else { return nil }
        switch beginning {
        case .chunks(let claim): return .live(claim)
        case .whole(let claim, let target): return .whole(claim, target)
        }
    }

    /// Returns the body of a document; nil if there is none.
    func document(_ key: String) throws(StoreError) -> [UInt8]? {
        try onEngine { () throws(S3Error) in try bucket.body(of: key) }
    }

    /// Creates a document.
    ///
    /// - Returns: true if this call has created it.
    func create(
        _ key: String, _ write: (inout Fields) -> Void
    ) throws(StoreError) -> Bool {
        var fields = Fields()
        write(&fields)
        // So that two hosts never write the same body, and a lost answer can be made good by reading it.
        fields["nonce"] = random().hexDigits
        return try onEngine { () throws(S3Error) in try bucket.create(key, fields.body) } == .created
    }

    /// Creates a mark of a generation.
    func create(
        _ folder: String, _ generation: Generation.Name, _ mark: Mark, _ write: (inout Fields) -> Void
    ) throws(StoreError) -> Bool {
        try create(keys.mark(folder, generation, mark), write)
    }
}

extension Generation {
    /// True if it was begun; false if there is only what a request has left that came too late.
    var isBegun: Bool { marks[.claim] != nil || marks[.end] != nil || marks[.done] != nil }
}

/// Documents that were read. They never change, so one is read once.
final class DocumentCache: Sendable {
    private let entries = Lock<[String: (etag: String, fields: Fields)]>([:])
    private static let capacity = 1024

    /// Stands for the ETag of a document whose content is known to have been created.
    static let anyETag = "any"

    /// Reads a document; nil if it is not there.
    func fields(_ key: String, _ etag: String, in bucket: any ObjectBucket) throws(StoreError) -> Fields? {
        if let known = entries.withLock({ $0[key] }), known.etag == etag || etag == DocumentCache.anyETag {
            return known.fields
        }
        guard let body = try onEngine({ () throws(S3Error) in try bucket.body(of: key) }) else { return nil }
        let fields = try understood(Fields(body), key)
        remember(fields, key, etag)
        return fields
    }

    func remember(_ fields: Fields, _ key: String, _ etag: String = DocumentCache.anyETag) {
        entries.withLock { entries in
            if entries.count >= DocumentCache.capacity { entries = [:] }
            entries[key] = (etag, fields)
        }
    }
}
