/// The recipients of events, as a set of bits. A store records the bits, so none may change its meaning.
package struct Recipients: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The recipients one by one.
    package var each: [Recipients] {
        (0..<8).map { Recipients(rawValue: 1 << $0) }.filter { isSuperset(of: $0) }
    }
}

/// Failed attempts to deliver one event to one recipient.
package struct Attempts: Sendable, Equatable {
    /// How many there were. A store may stop counting at 2^24 - 1.
    package var count: Int
    /// When the next one is due, in Unix seconds.
    package var next: UInt64
    /// Why the last one failed, as one line.
    package var reason: String

    package init(count: Int, next: UInt64, reason: String) {
        self.count = count
        self.next = next
        self.reason = reason
    }
}
