import Glibc
import Linux
package import UploadModel
package import UploadStore

/// Keeps the number of uploads under way within bounds: the store asks it before it begins one (`Admission`) and tells it
/// what becomes of them (`StoreObserver`).
///
/// The book is this process's. Where several share a root, each hears of its own uploads only, so before an upload is
/// refused the store itself is counted, if that hasn't been done for a while. Whose an upload is stands in the book alone:
/// the limits of a single sender hold for each process, and begin anew with it.
package final class UploadLimiter: Sendable {
    /// How often the store is counted at most, in seconds: that reads all journals.
    static let countSeconds: UInt64 = 60
    /// When a sender may ask again while there is no room.
    static let waitSeconds = 30

    private struct State {
        var ledger: UploadCounts
        var counted: UInt64 = 0
    }

    private let state: Lock<State>
    private let now: @Sendable () -> UInt64
    private let underWay: Lock<@Sendable () -> [UploadID]?>

    /// - Parameter now: the time in Unix seconds.
    package init(_ limits: UploadLimits, now: @escaping @Sendable () -> UInt64) {
        state = Lock(State(ledger: UploadCounts(limits)))
        self.now = now
        underWay = Lock { nil }
    }

    /// Counts what is under way now, and again when it has to.
    ///
    /// - Parameter underWay: tells all uploads of the store that are under way; nil where it can't.
    package func count(_ underWay: @escaping @Sendable () -> [UploadID]?) {
        self.underWay.withLock { $0 = underWay }
        recount()
    }

    /// What the store asks before it begins an upload.
    ///
    /// - Throws: `StoreError.postponed`.
    package func admit(_ chunk: ChunkRequest) throws(StoreError) {
        let key = UploadKey(chunk.upload)
        var refusal = enter(key, chunk.sender)
        if let error = refusal, error.isAboutCount, isCountDue() {
            // Perhaps others have finished what this process takes to be under way.
            recount()
            refusal = enter(key, chunk.sender)
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

    /// What the store tells.
    package func record(_ event: StoreEvent) {
        switch event {
        case .begun(let upload): state.withLock { $0.ledger.begun(UploadKey(upload.id)) }
        case .finished(let upload), .removed(let upload, _): state.withLock { $0.ledger.ended(UploadKey(upload.id)) }
        case .forgotten, .recovered, .notice: break
        }
    }

    private func enter(_ key: UploadKey, _ sender: String) -> UploadLimitReached? {
        let time = now()
        return state.withLock { state in
            do throws(UploadLimitReached) {
                try state.ledger.admit(key, from: sender, at: time)
                return nil
            } catch {
                return error
            }
        }
    }

    private func isCountDue() -> Bool {
        let time = now()
        return state.withLock { state in
            guard state.counted + UploadLimiter.countSeconds <= time else { return false }
            // Marked at once, so that of many requests one counts.
            state.counted = time
            return true
        }
    }

    private func recount() {
        let (time, known) = (now(), state.withLock { $0.ledger.keys })
        guard let uploads = underWay.withLock({ $0 })() else { return }
        state.withLock { state in
            state.counted = time
            state.ledger.settle(underWay: Set(uploads.map(UploadKey.init)), known: known)
        }
    }
}
