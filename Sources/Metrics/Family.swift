/// One metric: its name, its help, and a closure that reads its samples when it is scraped.
///
/// Names and units follow Prometheus' conventions ("Metric and label naming"): base units, with the unit at the end of
/// the name, followed by `_total` for a counter.
package struct Family: Sendable {
    enum Kind: String {
        case counter, gauge, histogram
    }

    let name: String
    let help: String
    let kind: Kind
    let samples: @Sendable () -> [Sample]

    /// The metric of a counter.
    package static func counter(_ name: String, _ help: String, _ counter: Counter) -> Family {
        Family(name: name, help: help, kind: .counter) { [Sample("", [], Double(counter.value))] }
    }

    /// The metric of a number that only grows and is kept elsewhere.
    package static func counter(_ name: String, _ help: String, _ value: @escaping @Sendable () -> Double?) -> Family {
        Family(name: name, help: help, kind: .counter) { value().map { [Sample("", [], $0)] } ?? [] }
    }

    /// The metric of a table of counters.
    ///
    /// - Parameter labels: the labels of a key, as names and values.
    package static func counters<Key>(
        _ name: String, _ help: String, _ table: CounterTable<Key>,
        labels: @escaping @Sendable (Key) -> [(name: String, value: String)]
    ) -> Family {
        Family(name: name, help: help, kind: .counter) {
            table.keys.map { Sample("", labels($0), Double(table.value($0))) }
        }
    }

    /// The metric of a number that goes up and down.
    ///
    /// - Parameter value: nil if it cannot be read at the moment; the metric is left out then.
    package static func gauge(
        _ name: String, _ help: String, labels: [(name: String, value: String)] = [],
        _ value: @escaping @Sendable () -> Double?
    ) -> Family {
        Family(name: name, help: help, kind: .gauge) { value().map { [Sample("", labels, $0)] } ?? [] }
    }

    /// The metric of a histogram of durations, in seconds.
    package static func histogram(_ name: String, _ help: String, _ histogram: Histogram) -> Family {
        Family(name: name, help: help, kind: .histogram) { histogram.samples }
    }
}

/// One line of a scrape.
struct Sample {
    /// The suffix of the family's name.
    var suffix: String
    var labels: [(name: String, value: String)]
    var value: Double

    init(_ suffix: String, _ labels: [(name: String, value: String)], _ value: Double) {
        self.suffix = suffix
        self.labels = labels
        self.value = value
    }

    /// A number in the form that Go's ParseFloat reads; whole numbers without a point.
    static func text(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map(String.init) ?? "\(value)"
    }
}
