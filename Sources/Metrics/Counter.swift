import Synchronization

/// A number that only grows. Any number of threads may add to it without a lock.
package final class Counter: Sendable {
    private let count = Atomic<UInt64>(0)

    /// A counter that begins at 0.
    package init() {}

    /// The current count.
    package var value: UInt64 { count.load(ordering: .relaxed) }

    /// Adds to the count.
    package func add(_ amount: UInt64 = 1) {
        count.wrappingAdd(amount, ordering: .relaxed)
    }
}

/// A number that goes up and down.
package final class Gauge: Sendable {
    private let number = Atomic<Int>(0)

    /// A gauge that begins at 0.
    package init() {}

    /// The current value.
    package var value: Int { number.load(ordering: .relaxed) }

    /// Changes the value by `amount`.
    package func add(_ amount: Int) {
        number.wrappingAdd(amount, ordering: .relaxed)
    }
}

/// A counter for each of a few keys. The keys are known from the start, so counting needs no lock, and a scrape finds
/// all of them, also those with the count 0.
package final class CounterTable<Key: Hashable & Sendable>: Sendable {
    /// The keys, in their order.
    package let keys: [Key]
    private let counters: [Key: Counter]

    /// A counter for each key; a repeated key has one.
    package init(_ keys: [Key]) {
        self.keys = keys
        counters = Dictionary(keys.map { ($0, Counter()) }, uniquingKeysWith: { first, _ in first })
    }

    /// The count of that key; 0 if it has no counter.
    package func value(_ key: Key) -> UInt64 { counters[key]?.value ?? 0 }

    /// Adds to the count of that key. Nothing happens if it has no counter.
    package func add(_ key: Key, _ amount: UInt64 = 1) { counters[key]?.add(amount) }
}
