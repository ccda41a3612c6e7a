import UploadStore

/// How many uploads may be under way, and how fast they may be begun. 0 everywhere: no limit.
package struct UploadLimits: Sendable, Equatable {
    /// Uploads under way in all.
    package var uploads: Int
    /// Uploads of one sender under way.
    package var uploadsPerClient: Int
    /// Uploads that one sender may begin in a minute.
    package var newPerMinute: Int

    /// Limits; the defaults are those of the README.
    package init(uploads: Int = 10_000, uploadsPerClient: Int = 1000, newPerMinute: Int = 0) {
        self.uploads = uploads
        self.uploadsPerClient = uploadsPerClient
        self.newPerMinute = newPerMinute
    }
}

/// Why an upload may not be begun now.
enum UploadLimitReached: Error, Equatable {
    case tooManyUploads
    case tooManyOfClient
    /// There is room for the next in so many seconds.
    case tooManyNew(seconds: Int)

    /// True where it would help if some upload were finished.
    var isAboutCount: Bool {
        switch self {
        case .tooManyUploads, .tooManyOfClient: true
        case .tooManyNew: false
        }
    }
}

/// The book of the uploads under way. It is told what happens and what time it is, and does nothing by itself.
///
/// An upload is entered when it is admitted, since what is about to be begun takes room, too. If the store then doesn't
/// begin it, nobody says so: such an entry is struck out after a minute.
///
/// How fast one sender may begin uploads is kept by a bucket (the token bucket of RFC 2697, with one colour): it holds as
/// many as may begin in a minute, and fills up evenly.
struct UploadCounts {
    /// How long an admitted upload may take to begin, in seconds.
    static let beginSeconds: UInt64 = 60
    /// How many senders are remembered that have begun something lately.
    static let maximumBuckets = 65_536

    private struct Entry {
        /// Empty where it isn't known, as it is for what another process has begun.
        var sender: String
        /// When it was admitted; nil once it has begun.
        var awaited: UInt64?
    }

    private struct Bucket {
        /// In sixtieths of an upload, so that the arithmetic is exact: a second brings as many as a minute brings uploads.
        var level: Int
        var time: UInt64
    }

    private let limits: UploadLimits
    private var entries: [UploadKey: Entry] = [:]
    private var counts: [String: Int] = [:]
    private var buckets: [String: Bucket] = [:]

    init(_ limits: UploadLimits) {
        self.limits = limits
    }

    /// How many uploads are under way or about to begin.
    var count: Int { entries.count }

    /// Enters an upload that is about to be begun. What is entered already is admitted again.
    mutating func admit(_ key: UploadKey, from sender: String, at now: UInt64) throws(UploadLimitReached) {
        if entries[key] != nil { return }
        if isAtLimit(for: sender) { strikeOutUnbegun(at: now) }
        if limits.uploads > 0 && entries.count >= limits.uploads { throw .tooManyUploads }
        if limits.uploadsPerClient > 0 && counts[sender, default: 0] >= limits.uploadsPerClient {
            throw .tooManyOfClient
        }
        try takeFromBucket(of: sender, at: now)
        enter(key, Entry(sender: sender, awaited: now))
    }

    /// The store has begun it.
    mutating func begun(_ key: UploadKey) {
        if entries[key] == nil { enter(key, Entry(sender: "")) }
        entries[key]?.awaited = nil
    }

    /// It is under way no longer.
    mutating func ended(_ key: UploadKey) {
        guard let entry = entries.removeValue(forKey: key), let count = counts[entry.sender] else { return }
        counts[entry.sender] = count > 1 ? count - 1 : nil
    }

    /// Makes the book agree with what the store had when it was looked at: other processes begin and end uploads, too.
    ///
    /// - Parameters:
    ///   - underWay: all that were under way.
    ///   - known: what the book had before the store was looked at. What came since stays.
    mutating func settle(underWay: Set<UploadKey>, known: Set<UploadKey>) {
        for key in known where !underWay.contains(key) && entries[key]?.awaited == nil { ended(key) }
        for key in underWay where !known.contains(key) && entries[key] == nil { begun(key) }
    }

    /// All that are entered.
    var keys: Set<UploadKey> { Set(entries.keys) }

    /// How many senders are remembered.
    var senders: Int { buckets.count }

    private func isAtLimit(for sender: String) -> Bool {
        limits.uploads > 0 && entries.count >= limits.uploads
            || limits.uploadsPerClient > 0 && counts[sender, default: 0] >= limits.uploadsPerClient
    }

    private mutating func enter(_ key: UploadKey, _ entry: Entry) {
        entries[key] = entry
        // What nobody is known to have sent is nobody's.
        if !entry.sender.isEmpty { counts[entry.sender, default: 0] += 1 }
    }

    private mutating func strikeOutUnbegun(at now: UInt64) {
        for (key, entry) in entries {
            if let awaited = entry.awaited, awaited + UploadCounts.beginSeconds <= now { ended(key) }
        }
    }

    private mutating func takeFromBucket(of sender: String, at now: UInt64) throws(UploadLimitReached) {
        guard limits.newPerMinute > 0, !sender.isEmpty else { return }
        let (rate, full, one) = (limits.newPerMinute, limits.newPerMinute * 60, 60)
        func filled(_ bucket: Bucket) -> Int {
            let seconds = now > bucket.time ? min(now - bucket.time, 60) : 0
            return min(full, bucket.level + rate * Int(seconds))
        }
        if buckets[sender] == nil && buckets.count >= UploadCounts.maximumBuckets {
            buckets = buckets.filter { filled($0.value) < full }
            // So many senders in one minute are no single sender's doing: this limit can't help against them.
            if buckets.count >= UploadCounts.maximumBuckets { buckets = [:] }
        }
        let level = buckets[sender].map(filled) ?? full
        guard level >= one else { throw .tooManyNew(seconds: (one - level + rate - 1) / rate) }
        buckets[sender] = Bucket(level: level - one, time: now)
    }
}
