import Linux
import S3
import UploadModel
import UploadStore

// How an upload begins: the admission hook agrees, the name is not refused, the token allows it, and of the hosts that
// create the claim, one succeeds.

extension ObjectStore {
    /// Begins an upload of more than one chunk. Nothing happens if another request has begun it.
    ///
    /// - Parameters:
    ///   - look: what was found of the upload: none, or a finished one.
    ///   - predecessor: the finished upload whose place it takes, if its bytes may belong to it.
    func begin(
        _ look: Look, _ chunk: ChunkRequest, after predecessor: Claim.Predecessor? = nil
    ) throws(StoreError) {
        guard case .sized(let total, let chunkSize, _) = chunk.place,
            let grid = Grid(size: total, chunkSize: chunkSize, lengths)
        else { throw .tooManyRecords }
        try gate.pass(look.folder) { hasWaited throws(StoreError) in
            // Another thread has begun it, or failed. If another host has, the claim is there.
            guard !hasWaited else { return }
            try clearLast(look)
            // A bucket has no folders to create.
            try admit(chunk, 0)
            try checkName(chunk)
            let generation = Generation.Name.next(after: look.listing.newest?.name, now: now())
            let claim = Claim(
                chunk, size: total, cell: grid.cell, begun: now(), predecessor: predecessor,
                slot: try takeSlot(chunk))
            let moment = moment
            let isFirst = try create(look.folder, generation, .claim) { Beginning.chunks(claim).write(to: &$0) }
            guard isFirst else { return }
            if claim.hasLedger { keepWriter(claim, grid, look.folder, generation, moment) }
            observe(.begun(claim.summary(held: 0, touched: claim.begun)))
        }
    }

    /// Fails if the file cannot have its name: it is the store's own, or taken and must not be replaced.
    func checkName(_ chunk: ChunkRequest) throws(StoreError) {
        let path = try destination(chunk.upload, chunk.relativePath).path(0)
        guard settings.onConflict == .refuse else { return }
        if try onEngine({ () throws(S3Error) in try bucket.find(keys.file(path)) }) != nil { throw .nameTaken }
    }

    /// Where a file goes.
    func destination(_ id: UploadID, _ relativePath: RelativePath?) throws(StoreError) -> Destination {
        let destination = try Destination(id, relativePath: relativePath, layout: settings.layout)
        // Behind the name there must be room for a number.
        guard keys.file(destination.path(0)).utf8.count <= Keys.longest - 24 else { throw .nameReserved }
        return destination
    }

    // MARK: Tokens

    /// Counts an upload against its token's quota. Each token has a folder of slots, which are created in order. An
    /// upload that was removed before it was finished keeps its slot for the next attempt.
    ///
    /// - Returns: the key of the upload's slot; nil without a quota.
    /// - Throws: `StoreError.quotaUsedUp`.
    func takeSlot(_ chunk: ChunkRequest) throws(StoreError) -> String? {
        guard let quota = chunk.quota else { return nil }
        let folder = keys.token(chunk.upload.owner, quota.tokenID)
        let upload = UploadKey(chunk.upload).text
        let objects = try onEngine { () throws(S3Error) in try bucket.listAll(folder) }
        let names = Set(objects.map(\.key))
        var count = 0
        for object in objects where !object.key.hasSuffix(ObjectStore.finishedSuffix) {
            count += 1
            if names.contains(object.key + ObjectStore.finishedSuffix) { continue }
            if try documents.fields(object.key, object.etag, in: bucket)?["upload"] == upload { return object.key }
        }
        while count < quota.limit {
            let slot = "\(folder)\(count)"
            if try create(slot, { $0["upload"] = upload }) { return slot }
            // Another host may have taken it for the same upload.
            let other = try onEngine { () throws(S3Error) in Fields(try bucket.get(slot)) }
            if other?["upload"] == upload { return slot }
            count += 1
        }
        throw .quotaUsedUp(limit: quota.limit)
    }

    /// Makes an upload count against its token's quota although another one of its key begins.
    func finishSlot(_ slot: String?) throws(StoreError) {
        guard let slot else { return }
        try onEngine { () throws(S3Error) in
            try bucket.put(slot + ObjectStore.finishedSuffix, [UInt8](), metadata: [:], ifAbsent: false)
        }
    }

    static let finishedSuffix = ".finished"
}

extension Look {
    /// True if another upload may take its place.
    var isOver: Bool {
        switch phase {
        case .none, .finished: true
        case .live, .finishing, .whole: false
        }
    }
}

extension Claim {
    func summary(held: UInt64, touched: UInt64) -> UploadSummary {
        UploadSummary(id: id, size: size, held: held, begun: begun, touched: touched, metadata: metadata)
    }
}
