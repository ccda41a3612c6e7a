import Metrics
import Testing

/// Expected texts are those of Prometheus' page "Exposition formats".
@Suite("The text that Prometheus reads")
struct ExpositionTests {
    @Test("tells a counter with help, type and value")
    func counter() {
        let counter = Counter()
        counter.add(2)
        counter.add()
        #expect(
            Exposition.text([.counter("a_total", "What.", counter)]) == """
                # HELP a_total What.
                # TYPE a_total counter
                a_total 3

                """)
    }

    @Test("escapes backslashes, quotes and line ends in labels, and in helps all but quotes")
    func escapes() {
        let family = Family.gauge("a", "b\\\"\n", labels: [("l", "c\\\"\n")], { 1 })
        #expect(
            Exposition.text([family]) == """
                # HELP a b\\\\"\\n
                # TYPE a gauge
                a{l="c\\\\\\"\\n"} 1

                """)
    }

    @Test("tells every key of a table, also those at 0")
    func table() {
        let table = CounterTable(["x", "y"])
        table.add("y", 5)
        table.add("unknown")
        let text = Exposition.text([.counters("a_total", "What.", table) { [("key", $0), ("twice", $0 + $0)] }])
        #expect(text.hasSuffix("a_total{key=\"x\",twice=\"xx\"} 0\na_total{key=\"y\",twice=\"yy\"} 5\n"))
    }

    @Test("leaves out what can't be said")
    func missing() {
        #expect(Exposition.text([.gauge("a", "What.", { nil })]).isEmpty)
    }

    @Test("counts a duration in every bucket whose bound it doesn't exceed, and adds it to the sum")
    func histogram() {
        let histogram = Histogram(bounds: [0.5, 1, 10])
        for duration in [Duration.milliseconds(250), .milliseconds(500), .seconds(2), .seconds(60)] {
            histogram.observe(duration)
        }
        #expect(
            Exposition.text([.histogram("a_seconds", "How long.", histogram)]) == """
                # HELP a_seconds How long.
                # TYPE a_seconds histogram
                a_seconds_bucket{le="0.5"} 2
                a_seconds_bucket{le="1"} 2
                a_seconds_bucket{le="10"} 3
                a_seconds_bucket{le="+Inf"} 4
                a_seconds_sum 62.75
                a_seconds_count 4

                """)
    }

    @Test("loses no count to threads that count at the same time")
    func threads() async {
        let counter = Counter()
        let gauge = Gauge()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<10_000 {
                        counter.add()
                        gauge.add(1)
                        gauge.add(-1)
                    }
                }
            }
        }
        #expect(counter.value == 80_000)
        #expect(gauge.value == 0)
    }
}
