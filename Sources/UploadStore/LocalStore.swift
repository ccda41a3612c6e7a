import Glibc
import Linux
import Synchronization
package import UploadModel

/// A store in one folder of this machine.
///
///     <root>/<filename>                         finished files (or elsewhere below the root: `Destination`)
///     <root>/.resumabled/<key>-<nonce>.data     an upload's bytes, each at its place in the file
///     <root>/.resumabled/<key>.journal          records of the bytes that are held (`JournalFormat`). Stays when the
///                                               upload is finished, to recognise late duplicates, until it expires
///                                               (`Sweep`)
///     <root>/.resumabled/events                 undelivered events of uploads whose journal is gone (`Outbox`)
///
/// A writer holds a lock on exactly its range of the data file, and publishing takes a lock on the whole file
/// (`Publishing`). So two writers never write to the same place, and no byte changes once the file has its final name.
/// Locks belong to one opening of the file and end with it, so a process that dies leaves none behind. A file that
/// comes in one chunk has its record in an attribute of its own in place of a journal (`WholeFileWriter`).
package final class LocalStore: ManagedStore, EventStore, VerifiableStore {
    /// The folder below the root that holds journals and unfinished data.
    package static let stateFolder = ".resumabled"

    let root: any Directory
    let state: any Directory
    let settings: StoreSettings
    let boot: BootID
    let cache: UploadCache
    private let now: @Sendable () -> UInt64
    let observe: StoreObserver
    let admit: Admission
    /// Uploads that have provisional ranges (`finishWaiting`).
    let waiting = Lock<Set<UploadID>>([])
    /// False once the file system has answered that it cannot reserve space.
    let canReserve = Atomic(true)
    private let elapsed: (@Sendable () -> UInt64)?
    /// How much space each client has reserved (`reserve`).
    let reservations: Lock<Reservations>
    /// Compares the two clocks at each sweep.
    let clocks = Lock(ClockWatch())
    /// When the free space was looked at last (`relieve`), in seconds of the monotonic clock.
    let looked = Lock<UInt64>(0)
    /// Space for small files that need not be looked at again (`checkSpaceLately`).
    let plenty = Lock(Plenty())
    /// False once the file system has turned out to lack what `WholeFileWriter` needs.
    let canKeepRecords = Atomic(true)

    /// Opens the store in `root`.
    ///
    /// - Parameters:
    ///   - boot: the machine's current boot (`BootID.current`).
    ///   - now: returns the time in Unix seconds.
    ///   - elapsed: returns the seconds of the monotonic clock, for a store that stays open; its sweeps then distrust
    ///     jumps of `now`. Nil for a single command, which has to go by `now`.
    ///   - observe: receives what happens to uploads.
    ///   - admit: decides whether an upload may be begun, on the thread of its first chunk.
    /// - Throws: `StoreError` if the state folder cannot be made or opened.
    package init(
        root: any Directory, boot: BootID, settings: StoreSettings = StoreSettings(),
        now: @escaping @Sendable () -> UInt64, elapsed: (@Sendable () -> UInt64)? = nil,
        observe: @escaping StoreObserver = { _ in },
        admit: @escaping Admission = { _, _ throws(StoreError) in }
    ) throws(StoreError) {
        self.root = root
        self.boot = boot
        self.settings = settings
        self.now = now
        self.elapsed = elapsed
        let reservations = Lock(Reservations())
        self.reservations = reservations
        self.observe = { event in
            switch event {
            case .finished(let upload), .removed(let upload, _): reservations.withLock { $0.end(UploadKey(upload.id)) }
            // Nothing is reserved for files that come in one chunk (`received`).
            case .begun, .received, .forgotten, .recovered, .scattered, .notice: break
            }
            observe(event)
        }
        self.admit = admit
        cache = UploadCache(capacity: settings.openUploads)
        state = try onDisk { () throws(FileError) in
            let isNew = try root.status(LocalStore.stateFolder) == nil
            let state = try root.folder(LocalStore.stateFolder)
            do throws(FileError) { try root.sync() } catch {
                // The next sync would succeed without having written the new name, so the folder must be made again.
                if isNew { try? root.removeFolder(LocalStore.stateFolder) }
                throw error
            }
            // Makes removals of an earlier process durable, so that no power cut undoes them.
            try state.sync()
            return state
        }
    }

    package func status(of chunk: ChunkRequest) throws(StoreError) -> UploadStatus? {
        let chunk = identified(chunk)
        if let status = try glance(at: chunk) { return status }
        guard let upload = try known(chunk) else { return nil }
        let postponed = try takeOver(upload, chunk)
        try finish(upload)
        // A client that learns that a chunk is held must have the time to send the others.
        try keepAlive(upload)
        return try upload.look(StatusView.init)?.status(of: chunk, postponed: postponed)
    }

    /// The fast path of nearly all tests: reads the journal of an open upload once, because each read asks the kernel
    /// for the journal's length while other tests of the upload wait. Returns nil if the request states something new
    /// or there is work to do first; then the slow path answers.
    private func glance(at chunk: ChunkRequest) throws(StoreError) -> UploadStatus? {
        guard case .sized(let total, _, _) = chunk.place, let upload = cache[UploadKey(chunk.upload)],
            settings.layout != .flat || !upload.mayHaveParts.load(ordering: .relaxed)
        else { return nil }
        let view = try upload.look { journal, file -> (StatusView, needed: UInt64)? in
            let isSameVersion = chunk.lastModified == nil || journal.header.lastModified == chunk.lastModified
            let isAtRest =
                journal.size == total && isSameVersion && journal.tail == nil && !journal.isPublished
                && !journal.coversFile
            return isAtRest && !isKeepAliveDue(journal, file) ? (StatusView(journal), journal.dataEnd) : nil
        }
        guard let (view, needed) = view ?? nil, case .undamaged = try dataState(of: upload, needed: needed) else {
            return nil
        }
        return view.status(of: chunk, postponed: [])
    }

    /// The request with the path that belongs to its upload's identity: none where the layout does not use it.
    private func identified(_ chunk: ChunkRequest) -> ChunkRequest {
        guard settings.layout != .tree, chunk.upload.path != nil else { return chunk }
        var chunk = chunk
        chunk.upload.path = nil
        return chunk
    }

    package func receive(_ chunk: ChunkRequest) throws(StoreError) -> any ChunkWriter {
        let chunk = identified(chunk)
        guard case .sized(_, _, let layout) = chunk.place else { return try CountedWriter(store: self, chunk: chunk) }
        if let writer = try WholeFileWriter(store: self, chunk: chunk) { return writer }
        return try writer(chunk, layout: layout)
    }

    /// A writer for a chunk whose place is known.
    func writer(_ chunk: ChunkRequest, layout: ChunkLayout) throws(StoreError) -> any ChunkWriter {
        for _ in 0..<LocalStore.maximumAttempts {
            let upload = try begin(chunk)
            _ = try takeOver(upload, chunk)
            let writer = try LocalWriter(
                store: self, upload: upload, layout: layout, metadata: chunk.metadata, client: chunk.clientKey)
            if let writer { return writer }
            guard try upload.look({ $0.isPublished }) == true else { continue }
            if let finished = try openFinished(upload) {
                return try LateDuplicateWriter(
                    store: self, upload: upload, chunk: chunk, layout: layout, finished: finished)
            }
            try supersede(upload, with: chunk, at: layout.offset)
        }
        throw .busy
    }

    package func spool() throws(StoreError) -> any Spool {
        LocalSpool(try onDisk { () throws(FileError) in try state.createNameless() })
    }

    package func recover() -> [StoreError] {
        var failures: [StoreError] = []
        var rest: [HalfDone] = []
        func attempt(_ work: () throws(StoreError) -> Void) {
            do throws(StoreError) { try work() } catch { failures.append(error) }
        }
        attempt { () throws(StoreError) in
            for name in try journals() {
                attempt { () throws(StoreError) in
                    guard let upload = try halfDone(name) else { return }
                    // Finish announced uploads first: they have chosen their names, and others could take those.
                    if upload.isAnnounced { try finish(upload) } else { rest.append(upload) }
                }
            }
        }
        for upload in rest { attempt { () throws(StoreError) in try finish(upload) } }
        attempt { () throws(StoreError) in try removeAbandonedData() }
        return failures
    }

    /// An upload that a dead process left between its last chunk and its final name.
    private struct HalfDone {
        let id: UploadID
        let isAnnounced: Bool
        let hasData: Bool
    }

    /// Returns the upload of a journal if it is half done; nil otherwise.
    private func halfDone(_ name: String) throws(StoreError) -> HalfDone? {
        try onDisk { () throws(FileError) in
            guard let file = try state.open(name), let journal = try Journal.read(file), !journal.isPublished,
                let id = journal.header.uploadID
            else { return nil }
            let hasData = try state.status(UploadFiles(key: UploadKey(id), nonce: journal.header.nonce).data) != nil
            if !journal.provisional.isEmpty { waiting.withLock { _ = $0.insert(id) } }
            guard journal.coversFile || journal.tail != nil || !hasData else { return nil }
            return HalfDone(id: id, isAnnounced: journal.publication != .none, hasData: hasData)
        }
    }

    private func finish(_ found: HalfDone) throws(StoreError) {
        guard let upload = try find(found.id) else { return }
        if !found.hasData { _ = try openData(of: upload) }
        try finish(upload)
    }

    /// Publishes an upload that is complete but unpublished because a process died after the last chunk. Without this,
    /// a client could learn that everything is held while there is no file.
    func finish(_ upload: Upload) throws(StoreError) {
        try placeTail(of: upload)
        try settleProvisional(upload)
        if try upload.look({ $0.coversFile && !$0.isPublished }) == true { _ = try publish(upload) }
    }

    /// The names of all journals.
    func journals() throws(StoreError) -> [String] {
        try onDisk { () throws(FileError) in try state.names() }.filter { $0.hasSuffix(UploadFiles.journalSuffix) }
    }

    /// How often a request starts again because another one finished or removed the upload meanwhile.
    static let maximumAttempts = 16

    /// The time in Unix seconds.
    var time: UInt64 { now() }
    /// The seconds of the monotonic clock; nil for a single command.
    var monotonicTime: UInt64? { elapsed?() }
}
