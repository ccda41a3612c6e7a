/// Those who are told of finished files: a bit each, which keeps its meaning for as long as a journal has it.
public struct Recipients: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Each of them alone.
    public var each: [Recipients] {
        (0..<8).map { Recipients(rawValue: 1 << $0) }.filter { isSuperset(of: $0) }
    }
}

/// What came of trying to tell somebody of a finished file.
public struct Attempts: Sendable, Equatable {
    /// How many there were.
    public var count: Int
    /// When it is tried again, in Unix seconds.
    public var next: UInt64
    /// Why the last one failed, as one line.
    public var reason: String

    /// So many attempts, and what is known of the last.
    public init(count: Int, next: UInt64, reason: String) {
        self.count = count
        self.next = next
        self.reason = reason
    }

    /// What the journal has room for; a count stays there.
    static let maximumCount = 0xff_ffff
}
