import Glibc
import Linux

/// Lets a line through at most every ten seconds: a fault that all threads meet many times a second must not fill the
/// log's disk.
final class Throttle: Sendable {
    private static let seconds = 10
    private let last = Lock<(time: Int, dropped: Int)>((time: .min / 2, dropped: 0))
    private let report: @Sendable (String) -> Void

    init(_ report: @escaping @Sendable (String) -> Void) {
        self.report = report
    }

    func callAsFunction(_ line: String) {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let dropped: Int? = last.withLock { last in
            guard now.tv_sec - last.time >= Throttle.seconds else {
                last.dropped += 1
                return nil
            }
            defer { last = (now.tv_sec, 0) }
            return last.dropped
        }
        guard let dropped else { return }
        report(dropped == 0 ? line : "\(line) (\(dropped) more like it before)")
    }
}
