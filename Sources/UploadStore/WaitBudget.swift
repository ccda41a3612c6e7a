import Glibc

/// Limits how long one request waits for another that holds a lock it needs.
struct WaitBudget {
    private var slept: UInt32 = 0
    /// In microseconds.
    private let limit: UInt32

    init(milliseconds: UInt32 = 10_000) { limit = milliseconds * 1000 }

    /// Sleeps for 0.5 to 50 ms, longer each time. Returns false, without sleeping, once the budget has been slept.
    mutating func wait() -> Bool {
        guard slept < limit else { return false }
        let pause = min(max(slept / 4, 500), 50_000)
        usleep(pause)
        slept += pause
        return true
    }
}
