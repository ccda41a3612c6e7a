import Linux
import S3
package import UploadModel
package import UploadStore

/// A store in a bucket of an object store, which any number of hosts share. They need no database and no other way to
/// talk to each other, and any of them takes any chunk.
///
/// Hosts keep nothing that counts. A request lists the objects of its upload, and pure functions decide by their names
/// what is held and what is to be done (`Listing`, `Holdings`). Three rules make that safe on an engine that has no
/// locks:
///
///   - What must happen once is an object that one host can create: a claim begins an upload, an `end` decides whether
///     it is completed or removed, `done` is the outcome (`Mark`). They are never changed, and deleted only when the
///     upload is forgotten, so a host that was stopped for a while finds the truth when it goes on.
///   - A host that adds a record lists the upload afterwards, and answers 200 only if there is no `end`. A host that
///     creates an `end` lists the upload afterwards, and goes by that listing. So what was answered with 200 is in the
///     file, and what came too late is compared with the finished file, as any late duplicate is. As long as one host
///     takes all chunks, it creates an entry in a ledger in place of these listings (`Ledger`).
///   - What is to be done follows from the listing. So if a host dies, another one carries on: with the next chunk or
///     test of the upload, or a sweep.
package final class ObjectStore: ManagedStore {
    let bucket: any ObjectBucket
    let keys: Keys
    let settings: StoreSettings
    let scratch: any Directory
    let lengths: Grid.Lengths
    /// How long a lease lasts that is not released, in seconds.
    let leaseSeconds: UInt64
    let now: @Sendable () -> UInt64
    let random: @Sendable () -> UInt64
    let observe: StoreObserver
    let admit: Admission
    let documents = DocumentCache()
    let gate: Gate
    /// The ledgers that this host writes, by the folders of their uploads.
    let writers = Lock<[String: LedgerWriter]>([:])
    /// Those of others.
    let ledgers = LedgerCache()
    /// The claims of live uploads that were looked at last, by their folder: so a chunk of one needs no look before its
    /// bytes come. Nothing but that depends on them.
    let known = Lock<[String: Claim]>([:])
    /// The uploads whose provisional ranges may come to count, and when (`finishWaiting`), in Unix seconds.
    let waiting = Lock<[UploadID: UInt64]>([:])

    /// - Parameters:
    ///   - prefix: the folder that all keys begin with; ends with a slash or is empty.
    ///   - scratch: a folder of this machine for chunks on their way. Its files have no names.
    ///   - leaseSeconds: twice as long as a delivery of an event takes at most.
    ///   - now: returns the time in Unix seconds. The clocks of the hosts must agree within minutes.
    ///   - observe: receives what happens to uploads.
    ///   - admit: decides whether an upload may be begun, on the thread of its first chunk.
    package convenience init(
        _ bucket: any ObjectBucket, prefix: String, settings: StoreSettings = StoreSettings(),
        scratch: any Directory, leaseSeconds: UInt64 = 120, now: @escaping @Sendable () -> UInt64,
        observe: @escaping StoreObserver = { _ in },
        admit: @escaping Admission = { _, _ throws(StoreError) in }
    ) {
        self.init(
            bucket, prefix: prefix, settings: settings, scratch: scratch, lengths: Grid.Lengths(),
            leaseSeconds: leaseSeconds, now: now, random: { .random(in: .min ... .max) }, observe: observe, admit: admit
        )
    }

    /// - Parameters:
    ///   - lengths: the lengths of cells.
    ///   - gate: limits how long threads wait for each other.
    ///   - random: returns a number that no other call returns, on any host.
    init(
        _ bucket: any ObjectBucket, prefix: String, settings: StoreSettings, scratch: any Directory,
        lengths: Grid.Lengths, gate: Gate = Gate(), leaseSeconds: UInt64 = 120, now: @escaping @Sendable () -> UInt64,
        random: @escaping @Sendable () -> UInt64,
        observe: @escaping StoreObserver, admit: @escaping Admission
    ) {
        self.bucket = bucket
        keys = Keys(prefix: prefix)
        self.settings = settings
        self.scratch = scratch
        self.lengths = lengths
        self.gate = gate
        self.leaseSeconds = leaseSeconds
        self.now = now
        self.random = random
        self.observe = observe
        self.admit = admit
    }

    /// How often a request starts again because another one changed the upload meanwhile.
    static let maximumAttempts = 16
    /// How long nothing must have been added before an upload makes way for another version of its file, and before
    /// provisional ranges count, in seconds.
    static let quietSeconds: UInt64 = 60
    /// How long a step may take that another host has begun, in seconds: then that host is taken for dead. No call to
    /// the engine lasts so long.
    static let stepSeconds: UInt64 = 600

    package func spool() throws(StoreError) -> any Spool { try LocalSpool(in: scratch) }

    package func status(of chunk: ChunkRequest) throws(StoreError) -> UploadStatus? {
        let chunk = identified(chunk)
        for _ in 0..<ObjectStore.maximumAttempts {
            let look = try look(chunk.upload)
            switch look.phase {
            case .none: return nil
            case .live(let claim):
                guard try matches(claim, look, chunk) else { return nil }
                let holdings = look.holdings(claim)
                if holdings.isComplete {
                    try finish(chunk.upload)
                    continue
                }
                // A client that learns that a chunk is held must have the time to send the others.
                try touch(look, claim, holdings)
                return UploadStatus(
                    size: claim.size, held: holdings.held, complete: false,
                    receipt: isHeld(chunk, holdings) ? Receipt(.duplicate) : nil)
            case .finishing: try finish(chunk.upload)
            case .whole(let claim, let target):
                if try resolveWhole(look, claim, target) { continue }
                guard chunk.states(size: claim.size) else { throw .sizeDiffers(known: claim.size) }
                return UploadStatus(size: claim.size, held: ByteRangeSet(), complete: false, receipt: nil)
            case .finished(let outcome, let path):
                guard chunk.states(size: outcome.claim.size), answersTests(outcome, of: chunk),
                    try stands(path, outcome, look)
                else { return nil }
                var held = ByteRangeSet()
                held.insert(ByteRange(first: outcome.claim.size))
                return UploadStatus(
                    size: outcome.claim.size, held: held, complete: true, receipt: Receipt(.duplicate))
            }
        }
        throw .busy
    }

    package func receive(_ chunk: ChunkRequest) throws(StoreError) -> any ChunkWriter {
        let chunk = identified(chunk)
        guard case .sized(let total, _, let layout) = chunk.place else { throw .sizesMissing }
        let look = try prepare(chunk)
        return try ObjectWriter(self, chunk, total: total, layout: layout, admitted: look)
    }

    /// Refuses a chunk before its bytes come, where that is possible, and begins its upload.
    ///
    /// - Returns: what was found of the upload, if the admission hook has agreed to it and it is not begun yet.
    private func prepare(_ chunk: ChunkRequest) throws(StoreError) -> Look? {
        let folder = keys.upload(UploadKey(chunk.upload))
        let known = writer(folder)?.claim ?? known.withLock { $0[folder] }
        if let known, chunk.states(size: known.size), chunk.lastModified == known.lastModified { return nil }
        for _ in 0..<ObjectStore.maximumAttempts {
            let look = try look(chunk.upload)
            switch look.phase {
            case .live(let claim):
                if try !matches(claim, look, chunk) { try supersede(look, claim) } else { return nil }
            case .finished(let outcome, _) where chunk.states(size: outcome.claim.size): return nil
            case .finishing, .whole: return nil
            case .none, .finished:
                guard chunk.isWholeFile else {
                    try begin(look, chunk)
                    // An upload of this host's own needs no look.
                    if writer(look.folder) != nil { return nil }
                    continue
                }
                try admit(chunk, 0)
                try checkName(chunk)
                return look
            }
        }
        throw .busy
    }

    /// The request with the path that belongs to its upload's identity: none where the layout does not use it.
    private func identified(_ chunk: ChunkRequest) -> ChunkRequest {
        guard settings.layout != .tree, chunk.upload.path != nil else { return chunk }
        var chunk = chunk
        chunk.upload.path = nil
        return chunk
    }

    private func isHeld(_ chunk: ChunkRequest, _ holdings: Holdings) -> Bool {
        guard case .sized(_, _, let layout) = chunk.place else { return false }
        return holdings.held.contains(layout.range)
    }

    /// Whether a request means the file of an unfinished upload.
    ///
    /// - Returns: false if it means another version of the file, and the upload makes way for that.
    /// - Throws: `StoreError.sizeDiffers` or `.busy` if it does not make way.
    func matches(_ claim: Claim, _ look: Look, _ chunk: ChunkRequest) throws(StoreError) -> Bool {
        let isSameVersion =
            chunk.lastModified == nil || claim.lastModified == nil
            || chunk.lastModified == claim.lastModified
        let isSameSize = chunk.states(size: claim.size)
        if isSameSize && isSameVersion { return true }
        let isQuiet = isQuiet(look, claim)
        if !isSameSize && !(isQuiet && settings.onSizeChange == .restart) { throw .sizeDiffers(known: claim.size) }
        if !isQuiet { throw .busy }
        return false
    }

    /// True if nothing was added to a live upload for a while.
    func isQuiet(_ look: Look, _ claim: Claim) -> Bool {
        (look.holdings(claim).added ?? claim.begun) + ObjectStore.quietSeconds <= now()
    }

    /// True if the client can be assumed to have the finished file.
    private func answersTests(_ outcome: Outcome, of chunk: ChunkRequest) -> Bool {
        if let stated = chunk.lastModified, let known = outcome.claim.lastModified { return stated == known }
        return !chunk.isOnlyChunk && now() < outcome.finished + settings.finishedWindow
    }
}

extension ChunkRequest {
    /// True if the request states this size of the file.
    func states(size: UInt64) -> Bool {
        if case .sized(let total, _, _) = place { total == size } else { true }
    }
}

/// Runs calls to the engine, and turns a failure into a `StoreError`.
func onEngine<Result>(_ calls: () throws(S3Error) -> Result) throws(StoreError) -> Result {
    do { return try calls() } catch { throw .failed(StoreCause(error)) }
}

extension StoreCause {
    init(_ error: S3Error) { self.init(error.description, summary: error.summary) }
}

extension S3Error {
    /// The trouble in a few words, without names.
    fileprivate var summary: String? {
        switch self {
        case .unreachable: "the object store does not answer"
        case .denied: "the object store refuses the server's credentials, or has no such bucket"
        default: "the object store refuses a call"
        }
    }
}
