import Linux
import Synchronization
package import UploadModel

// A server may run for months, and its root may change meanwhile:
//
//   - The root or the state folder was removed or moved away, and there is a folder of that name on the same file
//     system: it is opened.
//   - Another file system is at the path. It may be a disk that was mounted too late. Or a disk is gone, and this is the
//     folder below it, on a disk that is too small for uploads. The store cannot tell which, so all requests fail until
//     the folder is back or the server starts again.
//   - There is no folder: all requests fail until there is one. The store does not make it, because somebody may be
//     about to move one to that place.
//
// An opened `LocalStore` never gets other folders: another one takes its place. So a request that has begun in the old
// folders ends there, or fails, and no upload is in both.

/// A local store that opens its folders again when others take their place.
package final class ReopeningStore: ManagedStore, EventStore {
    /// How often the folders are checked at most, apart from the beginning and the publishing of uploads, in
    /// milliseconds.
    private static let interval: UInt64 = 1000

    private struct State {
        var store: LocalStore
        /// Why requests fail; nil while the paths lead to the open folders.
        var trouble: StoreError?
        /// Unfinished uploads of earlier folders whose clients have not been told that nothing is held.
        var lost: Set<UploadKey> = []
        /// True until `recover` was called for the store.
        var isUnrecovered = false
    }

    private let path: String
    private let devices: Devices
    private let observe: StoreObserver
    private let open: @Sendable (LinuxDirectory) throws(StoreError) -> LocalStore
    private let state: Lock<State>
    /// When the folders were checked last, by the monotonic clock, in milliseconds.
    private let checked = Atomic(MonotonicClock.milliseconds)

    /// Opens the store in the folder at `path`; creates the folder, and its parents, if there is none.
    ///
    /// - Parameters:
    ///   - observe: is told when the folders change.
    ///   - open: opens the store in a folder.
    /// - Throws: `FileError` if the folder cannot be made or opened, or what `open` throws.
    package init(
        path: String, observe: @escaping StoreObserver,
        open: @escaping @Sendable (LinuxDirectory) throws(StoreError) -> LocalStore
    ) throws {
        self.path = path
        self.observe = observe
        self.open = open
        let store = try open(LinuxDirectory.root(path))
        devices = try Devices(of: store)
        state = Lock(State(store: store))
    }

    /// The devices that a store's folders are on.
    private struct Devices: Equatable {
        let root: UInt64?
        let state: UInt64?

        init(of store: LocalStore) throws(FileError) {
            root = try (store.root as? LinuxDirectory)?.device()
            state = try (store.state as? LinuxDirectory)?.device()
        }
    }

    // MARK: Following the path

    /// The store in the folders that the paths led to within the last second.
    private func current() throws(StoreError) -> LocalStore {
        let now = MonotonicClock.milliseconds
        let before = checked.load(ordering: .relaxed)
        // Only one thread checks; the others don't wait for a disk that may not answer.
        if now >= before + ReopeningStore.interval,
            checked.compareExchange(expected: before, desired: now, ordering: .relaxed).exchanged
        {
            follow()
        }
        return try state.withLock { state throws(StoreError) in
            if let trouble = state.trouble { throw trouble }
            return state.store
        }
    }

    /// Opens the store again if its paths lead to other folders.
    private func follow() {
        let store = state.withLock(\.store)
        do throws(StoreError) {
            // A path that cannot be looked at cannot be opened either, and that error is the more telling one.
            if (try? store.hasItsFolders) == true { return note(nil, about: store) }
            replace(store, with: try reopened())
        } catch {
            note(error, about: store)
        }
    }

    private func reopened() throws(StoreError) -> LocalStore {
        let folder: LinuxDirectory
        let device: UInt64
        do throws(FileError) {
            folder = try LinuxDirectory.existing(path)
            device = try folder.device()
        } catch {
            throw .replaced(StoreCause(error))
        }
        // Comes first, because opening a store makes a folder.
        guard device == devices.root else { throw ReopeningStore.otherFileSystem(at: path) }
        let store = try open(folder)
        guard try onDisk({ () throws(FileError) in try Devices(of: store) }) == devices else {
            throw ReopeningStore.otherFileSystem(at: "\(path)/\(LocalStore.stateFolder)")
        }
        return store
    }

    private static func otherFileSystem(at path: String) -> StoreError {
        .replaced(StoreCause("another file system is at \(path): if that is intended, start the server again"))
    }

    private func replace(_ old: LocalStore, with store: LocalStore) {
        let lost = old.cache.uploads.filter(\.wasUnderWay).map(\.key)
        let isReplaced = state.withLock { state in
            // Another thread may have been faster.
            guard state.store === old else { return false }
            state = State(store: store, lost: state.lost.union(lost), isUnrecovered: true)
            return true
        }
        if isReplaced { observe(.notice("the root or its state folder was replaced: the new one at \(path) is open")) }
    }

    private func note(_ trouble: StoreError?, about store: LocalStore) {
        let isNew = state.withLock { state in
            guard state.store === store, state.trouble != trouble else { return false }
            state.trouble = trouble
            return true
        }
        guard isNew else { return }
        if let trouble {
            observe(.notice("uploads are not accepted: \(trouble)"))
        } else {
            observe(.notice("uploads are accepted again: \(path) is the folder that was opened"))
        }
    }

    /// Calls `work` with the current store; if that fails because its folders were replaced, with the next one.
    private func following<Result>(
        _ work: (LocalStore) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        do { return try work(try current()) } catch {
            guard case .replaced = error else { throw error }
            follow()
            return try work(try current())
        }
    }

    /// Returns true once for each upload that was under way in earlier folders.
    private func isLost(_ upload: UploadID) -> Bool {
        state.withLock { state in
            if state.lost.isEmpty { return false }
            var upload = upload
            if state.store.settings.layout != .tree { upload.path = nil }
            return state.lost.remove(UploadKey(upload)) != nil
        }
    }

    // MARK: Chunks

    package func status(of chunk: ChunkRequest) throws(StoreError) -> UploadStatus? {
        let status = try following { store throws(StoreError) in try store.status(of: chunk) }
        // The answer tells the client what is held now.
        _ = isLost(chunk.upload)
        return status
    }

    package func receive(_ chunk: ChunkRequest) throws(StoreError) -> any ChunkWriter {
        try following { store throws(StoreError) in
            if isLost(chunk.upload) {
                throw .untrusted(StoreCause("the folder with the upload's other chunks was removed or moved"))
            }
            return try store.receive(chunk)
        }
    }

    package func remove(_ upload: UploadID) throws(StoreError) -> Removal {
        _ = isLost(upload)
        return try following { store throws(StoreError) in try store.remove(upload) }
    }

    package func spool() throws(StoreError) -> any Spool {
        try current().spool()
    }

    // MARK: Inventory and health

    package func visitUploads(
        _ visit: (UploadSummary) -> Void, unreadable: (StoreError) -> Void
    ) throws(StoreError) {
        try current().visitUploads(visit, unreadable: unreadable)
    }

    package func visitUnfinished(
        _ visit: (UploadSummary) -> Void, unreadable: (StoreError) -> Void
    ) throws(StoreError) {
        try current().visitUnfinished(visit, unreadable: unreadable)
    }

    package func countUnderWay() throws(StoreError) -> Int {
        try current().countUnderWay()
    }

    package func space() throws(StoreError) -> StoreSpace? {
        try current().space()
    }

    package func checkWritable() throws(StoreError) {
        follow()
        try current().checkWritable()
    }

    // MARK: Maintenance

    package func recover() -> [StoreError] {
        state.withLock(\.store).recover()
    }

    package func sweep() -> SweepReport {
        do throws(StoreError) { return try current().sweep() } catch {
            var report = SweepReport()
            report.failures = [error]
            return report
        }
    }

    package func finishWaiting() {
        guard let store = try? current() else { return }
        let isUnrecovered = state.withLock { state in
            guard state.store === store, state.isUnrecovered else { return false }
            state.isUnrecovered = false
            return true
        }
        if isUnrecovered {
            // Not on the thread of the request that has found the new folder: there may be many journals.
            for failure in store.recover() { observe(.notice("recovery failed: \(failure)")) }
        }
        store.finishWaiting()
    }

    // MARK: Events

    package var outbox: any EventOutbox { ReopeningOutbox(store: self) }

    /// The events of the current store.
    private struct ReopeningOutbox: EventOutbox {
        let store: ReopeningStore

        func events(
            owedTo recipients: Recipients, atMost limit: Int
        ) throws(StoreError) -> (events: [OwedEvent], isMore: Bool, unreadable: [StoreError]) {
            try store.current().outbox.events(owedTo: recipients, atMost: limit)
        }

        func lease(_ key: UploadKey, for recipient: Recipients) throws(StoreError) -> (any DeliveryLease)? {
            try store.current().outbox.lease(key, for: recipient)
        }

        func retry(_ event: OwedEvent, _ recipients: Recipients) throws(StoreError) {
            try store.current().outbox.retry(event, recipients)
        }

        func drop(_ event: OwedEvent, _ recipients: Recipients) throws(StoreError) {
            try store.current().outbox.drop(event, recipients)
        }

        func changes() throws(StoreError) -> UInt64 {
            try store.current().outbox.changes()
        }
    }
}
