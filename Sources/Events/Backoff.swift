/// The delay between a failed attempt and the next one. It doubles each time, from a second to an hour, and is
/// shortened at random by up to a quarter, so that events that failed together are not repeated together.
enum Backoff {
    static let longest: UInt64 = 3600

    /// - Parameters:
    ///   - count: how many attempts have failed; 1 and up.
    ///   - asked: the delay that the receiver asks for, in seconds. At most `longest` is respected.
    ///   - random: from 0 to 1.
    /// - Returns: milliseconds.
    static func milliseconds(after count: Int, atLeast asked: UInt64?, random: Double) -> UInt64 {
        let seconds = min(longest, 1 << UInt64(min(max(count, 1) - 1, 12)))
        let jittered = UInt64(Double(seconds * 1000) * (1 - random.clamped / 4))
        return max(jittered, min(asked ?? 0, longest) * 1000)
    }
}

extension Double {
    fileprivate var clamped: Double { min(max(self, 0), 1) }
}
