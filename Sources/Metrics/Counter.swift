import Synchronization

/// A number that only grows, counted by any number of threads without a lock.
package final class Counter: Sendable {
    private let count = Atomic<UInt64>(0)

    /// A counter that stands at 0.
    package init() {}

    /// What was counted so far.
    package var value: UInt64 { count.load(ordering: .relaxed) }

    /// Counts.
    package func add(_ amount: UInt64 = 1) {
        count.wrappingAdd(amount, ordering: .relaxed)
    }
}

/// A number that goes up and down.
package final class Gauge: Sendable {
    private let number = Atomic<Int>(0)

    /// A gauge that stands at 0.
    package init() {}

    /// Where it stands.
    package var value: Int { number.load(ordering: .relaxed) }

    /// Moves it.
    package func add(_ amount: Int) {
        number.wrappingAdd(amount, ordering: .relaxed)
    }
}

/// A counter for each of a few keys that are known from the start, so that counting needs no lock and a scrape finds
/// all of them, also those that stand at 0.
package final class CounterTable<Key: Hashable & Sendable>: Sendable {
    /// The keys, in their order.
    package let keys: [Key]
    private let counters: [Key: Counter]

    /// A counter for each key; a key that comes twice has one.
    package init(_ keys: [Key]) {
        self.keys = keys
        counters = Dictionary(keys.map { ($0, Counter()) }, uniquingKeysWith: { first, _ in first })
    }

    /// What was counted of that key; 0 for a key that has no counter.
    package func value(_ key: Key) -> UInt64 { counters[key]?.value ?? 0 }

    /// Counts. A key that has no counter isn't counted.
    package func add(_ key: Key, _ amount: UInt64 = 1) { counters[key]?.add(amount) }
}
