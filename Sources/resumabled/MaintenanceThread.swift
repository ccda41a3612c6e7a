import Glibc
import Linux
import Logging
import UploadStore

/// Keeps the store tidy on a thread of its own: a sweep may take long, and neither the watchdog nor a request waits for
/// it.
final class MaintenanceThread: Sendable {
    /// How often uploads are published that only waited for time to pass.
    private static let pause: UInt64 = 1000

    private let isStopping = Monitor(false)
    private let thread = Lock<Thread?>(nil)

    /// Starts the thread. The first sweep begins at once.
    ///
    /// - Parameters:
    ///   - interval: the time from one sweep to the next, in milliseconds.
    ///   - report: receives the failures of each sweep, if there are any.
    /// - Throws: `ThreadError`.
    init(
        _ store: any StoreMaintenance, sweepEvery interval: UInt64, report: @escaping @Sendable ([StoreError]) -> Void
    ) throws {
        let started = try Thread { [isStopping] in
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

    /// Ends the thread. A sweep that is under way gets two seconds; it can be cut off at any moment.
    ///
    /// - Returns: false if the thread goes on.
    func stop() -> Bool {
        isStopping.change { $0 = true }
        return thread.withLock { $0 }?.join(until: time(nil) + 2) ?? true
    }
}
