import Glibc

/// Limits how long one request waits for another that holds a lock it needs.
struct WaitBudget {
    private var slept: UInt32 = 0
    /// In microseconds.
    private static let limit: UInt32 = 10_000_000

    /// Sleeps for 0.5 to 50 ms, longer each time. Returns false, without sleeping, once ten seconds have been slept.
    mutating func wait() -> Bool {
        guard slept < WaitBudget.limit else { return false }
        let pause = min(max(slept / 4, 500), 50_000)
        usleep(pause)
        slept += pause
        return true
    }
}
