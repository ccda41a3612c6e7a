/// How long after a failed attempt the next one comes: twice as long each time, from a second to an hour, and by chance
/// up to a quarter less, so that what failed together doesn't come back together.
enum Backoff {
    static let longest: UInt64 = 3600

    /// - Parameters:
    ///   - count: how many attempts have failed; 1 and up.
    ///   - atLeast: what the receiver asks for, in seconds. More than the longest is not believed.
    ///   - random: from 0 up to 1.
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
