import Linux
import UploadStore

/// Lets one thread at a time begin or finish an upload, or add to its ledger, so that threads of one host do not race
/// for what only one of them can create: an engine may let the losers of such a race wait for seconds.
final class Gate: Sendable {
    private let busy = Monitor<Set<String>>([])
    /// How long a thread waits for another one, in milliseconds (PROTOCOL.md, How bytes are matched to files). Less than
    /// nginx waits for an answer, and longer than the few races that a completion may lose.
    private let patience: UInt64

    init(patience: UInt64 = 30_000) { self.patience = patience }

    /// - Parameter work: gets whether this thread had to wait for another one.
    /// - Throws: `StoreError.busy` if another thread goes on too long, or what `work` throws.
    func pass<Result>(_ name: String, _ work: (_ hasWaited: Bool) throws(StoreError) -> Result) throws(StoreError)
        -> Result
    {
        var looks = 0
        let until = MonotonicClock.milliseconds + patience
        let isFree: Bool = busy.wait(
            for: { busy in
                looks += 1
                if busy.insert(name).inserted { return true }
                return MonotonicClock.milliseconds >= until ? false : nil
            }, pause: { _ in until - min(until, MonotonicClock.milliseconds) })
        guard isFree else { throw .busy }
        defer { busy.change { _ = $0.remove(name) } }
        return try work(looks > 1)
    }
}
