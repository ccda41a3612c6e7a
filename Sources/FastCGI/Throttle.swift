import Linux

/// Passes at most one line on every ten seconds, so that a fault that all threads meet many times a second does not
/// fill the log's disk.
final class Throttle: Sendable {
    private static let seconds: UInt64 = 10
    private let last = Lock<(time: UInt64?, dropped: Int)>((time: nil, dropped: 0))
    private let report: @Sendable (String) -> Void

    init(_ report: @escaping @Sendable (String) -> Void) {
        self.report = report
    }

    func callAsFunction(_ line: String) {
        let now = MonotonicClock.seconds
        let dropped: Int? = last.withLock { last in
            if let time = last.time, now < time + Throttle.seconds {
                last.dropped += 1
                return nil
            }
            defer { last = (now, 0) }
            return last.dropped
        }
        guard let dropped else { return }
        report(dropped == 0 ? line : "\(line) (\(dropped) earlier ones were not logged)")
    }
}
