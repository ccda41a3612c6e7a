/// One metric with its name, its help and its samples, asked for when it is scraped.
///
/// Names and units follow Prometheus' conventions ("Metric and label naming"): base units, the unit at the end, `_total`
/// behind it where it is a counter.
package struct Family: Sendable {
    enum Kind: String {
        case counter, gauge, histogram
    }

    let name: String
    let help: String
    let kind: Kind
    let samples: @Sendable () -> [Sample]

    /// What a counter has counted.
    package static func counter(_ name: String, _ help: String, _ counter: Counter) -> Family {
        Family(name: name, help: help, kind: .counter) { [Sample("", [], Double(counter.value))] }
    }

    /// A number that only grows and that somebody else keeps.
    package static func counter(_ name: String, _ help: String, _ value: @escaping @Sendable () -> Double?) -> Family {
        Family(name: name, help: help, kind: .counter) { value().map { [Sample("", [], $0)] } ?? [] }
    }

    /// What a table of counters has counted.
    ///
    /// - Parameter labels: names and values that tell the key.
    package static func counters<Key>(
        _ name: String, _ help: String, _ table: CounterTable<Key>,
        labels: @escaping @Sendable (Key) -> [(name: String, value: String)]
    ) -> Family {
        Family(name: name, help: help, kind: .counter) {
            table.keys.map { Sample("", labels($0), Double(table.value($0))) }
        }
    }

    /// A number that goes up and down.
    ///
    /// - Parameter value: nil where it can't be said at the moment: the metric is left out then.
    package static func gauge(
        _ name: String, _ help: String, labels: [(name: String, value: String)] = [],
        _ value: @escaping @Sendable () -> Double?
    ) -> Family {
        Family(name: name, help: help, kind: .gauge) { value().map { [Sample("", labels, $0)] } ?? [] }
    }

    /// How long things took, in seconds.
    package static func histogram(_ name: String, _ help: String, _ histogram: Histogram) -> Family {
        Family(name: name, help: help, kind: .histogram) { histogram.samples }
    }
}

/// One line of a scrape.
struct Sample {
    /// What stands behind the family's name.
    var suffix: String
    var labels: [(name: String, value: String)]
    var value: Double

    init(_ suffix: String, _ labels: [(name: String, value: String)], _ value: Double) {
        self.suffix = suffix
        self.labels = labels
        self.value = value
    }

    /// A number as Go's ParseFloat reads it; whole ones without a point.
    static func text(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map(String.init) ?? "\(value)"
    }
}
