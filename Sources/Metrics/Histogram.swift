import Synchronization

/// Counts durations up to each of a few bounds, without a lock. A scrape during an observation may see only a part of
/// it; the next scrape sees all of it.
package final class Histogram: Sendable {
    /// Bounds for requests, from a millisecond to a minute.
    package static let requestSeconds = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]
    /// Bounds for uploads, from a second to a week.
    package static let uploadSeconds: [Double] = [1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86_400, 604_800]

    private let bounds: [Double]
    /// One more than there are bounds: the last one counts the durations above all bounds.
    private let counts: [Counter]
    private let nanoseconds = Atomic<UInt64>(0)

    /// - Parameter bounds: in seconds, in rising order.
    package init(bounds: [Double]) {
        self.bounds = bounds
        counts = bounds.map { _ in Counter() } + [Counter()]
    }

    /// Counts one duration.
    package func observe(_ duration: Duration) {
        let seconds = max(duration / .seconds(1), 0)
        counts[bounds.firstIndex { seconds <= $0 } ?? bounds.count].add()
        nanoseconds.wrappingAdd(UInt64(min(seconds * 1e9, 1e18)), ordering: .relaxed)
    }

    /// The samples of the text format: cumulative buckets, the sum and the count.
    var samples: [Sample] {
        var total: UInt64 = 0
        var samples: [Sample] = []
        for (index, counter) in counts.enumerated() {
            total += counter.value
            let bound = index < bounds.count ? Sample.text(bounds[index]) : "+Inf"
            samples.append(Sample("_bucket", [("le", bound)], Double(total)))
        }
        let sum = Double(nanoseconds.load(ordering: .relaxed)) / 1e9
        return samples + [Sample("_sum", [], sum), Sample("_count", [], Double(total))]
    }
}
