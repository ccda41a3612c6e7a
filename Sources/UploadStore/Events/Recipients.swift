/// Those who are told of finished files: a bit each, which keeps its meaning for as long as a journal has it.
package struct Recipients: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Each of them alone.
    package var each: [Recipients] {
        (0..<8).map { Recipients(rawValue: 1 << $0) }.filter { isSuperset(of: $0) }
    }
}

/// What came of trying to tell somebody of a finished file.
package struct Attempts: Sendable, Equatable {
    /// How many there were.
    package var count: Int
    /// When it is tried again, in Unix seconds.
    package var next: UInt64
    /// Why the last one failed, as one line.
    package var reason: String

    /// So many attempts, and what is known of the last.
    package init(count: Int, next: UInt64, reason: String) {
        self.count = count
        self.next = next
        self.reason = reason
    }

    /// What the journal has room for; a count stays there.
    static let maximumCount = 0xff_ffff
}
