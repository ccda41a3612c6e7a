import Glibc

/// The pauses between the tries of a call. They are random between nothing and a limit that grows fivefold from 0.1
/// seconds, so that clients which failed together do not return together.
enum Backoff {
    static let tries = 4
    static let longest: UInt64 = 3_000

    /// - Parameters:
    ///   - failures: how often the call has failed; 1 and up.
    ///   - asked: the pause that the engine asks for with `Retry-After`, in seconds.
    ///   - random: from 0 to 1.
    /// - Returns: milliseconds.
    static func milliseconds(after failures: Int, asked: UInt64?, random: Double) -> UInt64 {
        var limit: UInt64 = 100
        for _ in 1..<max(1, min(failures, 4)) { limit = min(limit * 5, longest) }
        let jittered = UInt64(Double(limit) * min(max(random, 0), 1))
        return max(jittered, min(asked ?? 0, 3600) * 1000)
    }

    static func sleep(milliseconds: UInt64) {
        var rest = timespec(tv_sec: Int(milliseconds / 1000), tv_nsec: Int(milliseconds % 1000) * 1_000_000)
        var left = timespec()
        while nanosleep(&rest, &left) != 0 && errno == EINTR { rest = left }
    }
}
