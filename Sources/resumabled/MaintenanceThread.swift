import Glibc
import Linux
import Logging
import UploadStore

/// Recovers the store and keeps it tidy, on a thread of its own: each reads all journals, which may take long, and
/// neither the watchdog nor a request waits for it.
final class MaintenanceThread: Sendable {
    /// How often uploads are published that only waited for time to pass.
    private static let pause: UInt64 = 1000

    private let isStopping = Monitor(false)
    private let hasBegun = Monitor(false)
    private let thread = Lock<Thread?>(nil)

    /// Starts the thread. The first sweep follows on `beginning`.
    ///
    /// - Parameters:
    ///   - beginning: finishes what an earlier process left undone.
    ///   - interval: the time from one sweep to the next, in milliseconds.
    ///   - report: receives the failures of each sweep, if there are any.
    /// - Throws: `ThreadError`.
    init(
        _ store: any StoreMaintenance, sweepEvery interval: UInt64, beginning: @escaping @Sendable () -> Void,
        report: @escaping @Sendable ([StoreError]) -> Void
    ) throws {
        let started = try Thread { [isStopping, hasBegun] in
            beginning()
            hasBegun.change { $0 = true }
            var next = MonotonicClock.milliseconds
            while true {
                if MonotonicClock.milliseconds >= next {
                    let failures = store.sweep().failures
                    if !failures.isEmpty { report(failures) }
                    next = MonotonicClock.milliseconds + interval
                }
                store.finishWaiting()
                let until = MonotonicClock.milliseconds + Self.pause
                let isOver: Bool = isStopping.wait(
                    for: { $0 || MonotonicClock.milliseconds >= until ? $0 : nil },
                    pause: { _ in until - min(until, MonotonicClock.milliseconds) })
                if isOver { return }
            }
        }
        thread.withLock { $0 = started }
    }

    /// Waits until `beginning` has returned, but at most so many milliseconds.
    ///
    /// - Returns: false if it goes on.
    func waitForBeginning(atMost milliseconds: UInt64) -> Bool {
        let until = MonotonicClock.milliseconds + milliseconds
        return hasBegun.wait(
            for: { $0 || MonotonicClock.milliseconds >= until ? $0 : nil },
            pause: { _ in until - min(until, MonotonicClock.milliseconds) })
    }

    /// Ends the thread. A sweep that is under way gets two seconds; it can be cut off at any moment.
    ///
    /// - Returns: false if the thread goes on.
    func stop() -> Bool {
        isStopping.change { $0 = true }
        return thread.withLock { $0 }?.join(until: time(nil) + 2) ?? true
    }
}
