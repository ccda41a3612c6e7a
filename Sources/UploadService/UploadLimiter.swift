import Linux
package import UploadModel
package import UploadStore

/// Limits the uploads that are unfinished and those that begin: the store asks it before it begins an upload
/// (`Admission`) and reports the uploads that were begun, finished and removed (`StoreObserver`).
///
/// The counts are this process's. Processes that share a root each learn of their own uploads only, so before an upload
/// is refused the store's uploads are listed, unless that was done a short while ago. The client of an upload is known
/// to these counts alone: limits per client hold for each process, and begin anew with it.
package final class UploadLimiter: Sendable {
    /// The shortest time between two listings of the store, in seconds: each reads all journals.
    static let countSeconds: UInt64 = 60
    /// The `Retry-After` of a refusal for too many unfinished uploads, in seconds.
    static let waitSeconds = 30

    private struct State {
        var counts: UploadCounts
        /// When the store was listed; nil before the first time.
        var counted: UInt64?
    }

    private let state: Lock<State>
    private let now: @Sendable () -> UInt64
    private let unfinished: Lock<@Sendable () -> [UploadID]?>

    /// - Parameter now: the time in seconds, by a clock that is not set: an adjustment of the system time must neither
    ///   lift the limits nor keep clients out.
    package init(
        _ limits: UploadLimits, now: @escaping @Sendable () -> UInt64 = { MonotonicClock.seconds }
    ) {
        state = Lock(State(counts: UploadCounts(limits)))
        self.now = now
        unfinished = Lock { nil }
    }

    /// Lists the store's uploads now, and again when an upload would be refused.
    ///
    /// - Parameter unfinished: all unfinished uploads of the store; nil if they cannot be listed.
    package func count(_ unfinished: @escaping @Sendable () -> [UploadID]?) {
        self.unfinished.withLock { $0 = unfinished }
        recount()
    }

    /// Called by the store before it begins an upload (`Admission`).
    ///
    /// - Throws: `StoreError.postponed`.
    package func admit(_ chunk: ChunkRequest, newFolders: Int) throws(StoreError) {
        let key = UploadKey(chunk.upload)
        var refusal = admit(key, chunk.clientKey, newFolders)
        if let error = refusal, error.isAboutCount, isCountDue() {
            // Another process may have finished some of the uploads that are counted here.
            recount()
            refusal = admit(key, chunk.clientKey, newFolders)
        }
        switch refusal {
        case nil: return
        case .tooManyUploads:
            throw .postponed("There are too many unfinished uploads at the moment", seconds: UploadLimiter.waitSeconds)
        case .tooManyOfClient:
            throw .postponed("You have too many unfinished uploads", seconds: UploadLimiter.waitSeconds)
        case .tooManyNew(let seconds):
            throw .postponed("You have begun too many uploads in a short time", seconds: seconds)
        }
    }

    /// Called by the store when something happened to an upload.
    package func record(_ event: StoreEvent) {
        switch event {
        case .begun(let upload): state.withLock { $0.counts.begun(UploadKey(upload.id)) }
        case .finished(let upload), .received(let upload), .removed(let upload, _):
            state.withLock { $0.counts.ended(UploadKey(upload.id)) }
        case .forgotten, .recovered, .scattered, .notice: break
        }
    }

    private func admit(_ key: UploadKey, _ client: String, _ newFolders: Int) -> UploadLimitReached? {
        let time = now()
        return state.withLock { state in
            do throws(UploadLimitReached) {
                try state.counts.admit(key, from: client, newFolders: newFolders, at: time)
                return nil
            } catch {
                return error
            }
        }
    }

    private func isCountDue() -> Bool {
        let time = now()
        return state.withLock { state in
            if let counted = state.counted, time < counted + UploadLimiter.countSeconds { return false }
            // Set at once, so that of many requests only one lists the store.
            state.counted = time
            return true
        }
    }

    private func recount() {
        let (time, known) = (now(), state.withLock { $0.counts.keys })
        guard let uploads = unfinished.withLock({ $0 })() else { return }
        state.withLock { state in
            state.counted = time
            state.counts.reconcile(unfinished: Set(uploads.map(UploadKey.init)), known: known)
        }
    }
}
