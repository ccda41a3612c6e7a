import Glibc
import Linux
import UploadStore

/// Calls `work` until the store is not busy, as a client sends its request again, but for two minutes at most.
///
/// A store lets a thread wait for others for a limited time. Whether that is enough depends on the machine: one slow sync
/// may take longer. So a test with many threads sends again, unless it is about that limit.
@discardableResult
package func untilNotBusy<Result>(_ work: () throws -> Result) throws -> Result {
    let end = MonotonicClock.milliseconds + 120_000
    while true {
        do { return try work() } catch StoreError.busy where MonotonicClock.milliseconds < end { usleep(10_000) }
    }
}
