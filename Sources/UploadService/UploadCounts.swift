import UploadStore

/// Limits on unfinished uploads, and on the rate at which uploads are begun. 0: no limit.
package struct UploadLimits: Sendable, Equatable {
    /// Unfinished uploads in all.
    package var uploads: Int
    /// Unfinished uploads of one client.
    package var uploadsPerClient: Int
    /// Uploads that one client may begin in a minute. Each folder that is created for a file counts as one, because it
    /// costs the disk as much as an empty file.
    package var newPerMinute: Int

    /// Limits; the defaults are those of the program's options.
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
    /// The next upload may begin in so many seconds.
    case tooManyNew(seconds: Int)

    /// True if it would help that another upload is finished.
    var isAboutCount: Bool {
        switch self {
        case .tooManyUploads, .tooManyOfClient: true
        case .tooManyNew: false
        }
    }
}

/// Counts the unfinished uploads. It is told what happens and what time it is, and performs no I/O.
///
/// An upload is counted from its admission on, because an upload that is about to begin counts, too. If the store
/// doesn't begin it, nothing reports that: such an entry is removed after a minute.
///
/// A token bucket (RFC 2697, with one colour) limits how fast one client may begin uploads. It holds as many uploads as
/// may begin in a minute, and fills evenly.
struct UploadCounts {
    /// How long an admitted upload may take to begin, in seconds.
    static let beginSeconds: UInt64 = 60
    /// The most clients with a bucket.
    static let maximumBuckets = 65_536

    private struct Entry {
        /// Empty if it isn't known, as for an upload that another process has begun.
        var client: String
        /// The time of its admission; nil once it has begun.
        var admitted: UInt64?
    }

    private struct Bucket {
        /// In sixtieths of an upload, so that the arithmetic is exact: a second adds as many of them as a minute allows
        /// uploads.
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

    /// How many uploads are unfinished or about to begin.
    var count: Int { entries.count }

    /// Counts an upload that is about to begin. An upload that is counted already is admitted again.
    ///
    /// - Parameters:
    ///   - newFolders: how many folders have to be created for the file.
    ///   - now: in seconds of a clock that never goes back.
    mutating func admit(
        _ key: UploadKey, from client: String, newFolders: Int = 0, at now: UInt64
    ) throws(UploadLimitReached) {
        if entries[key] != nil { return }
        if isAtLimit(for: client) { removeUnbegun(at: now) }
        if limits.uploads > 0 && entries.count >= limits.uploads { throw .tooManyUploads }
        if limits.uploadsPerClient > 0 && counts[client, default: 0] >= limits.uploadsPerClient {
            throw .tooManyOfClient
        }
        try take(1 + newFolders, fromBucketOf: client, at: now)
        insert(key, Entry(client: client, admitted: now))
    }

    /// The store has begun the upload.
    mutating func begun(_ key: UploadKey) {
        if entries[key] == nil { insert(key, Entry(client: "")) }
        entries[key]?.admitted = nil
    }

    /// The upload was finished or removed.
    mutating func ended(_ key: UploadKey) {
        guard let entry = entries.removeValue(forKey: key), let count = counts[entry.client] else { return }
        counts[entry.client] = count > 1 ? count - 1 : nil
    }

    /// Makes the counts agree with a listing of the store: other processes begin and finish uploads, too.
    ///
    /// - Parameters:
    ///   - unfinished: all uploads that the listing has.
    ///   - known: the uploads that were counted before the listing. Those that came since stay.
    mutating func reconcile(unfinished: Set<UploadKey>, known: Set<UploadKey>) {
        for key in known where !unfinished.contains(key) && entries[key]?.admitted == nil { ended(key) }
        for key in unfinished where !known.contains(key) && entries[key] == nil { begun(key) }
    }

    /// The uploads that are counted.
    var keys: Set<UploadKey> { Set(entries.keys) }

    /// How many clients have a bucket.
    var clients: Int { buckets.count }

    private func isAtLimit(for client: String) -> Bool {
        limits.uploads > 0 && entries.count >= limits.uploads
            || limits.uploadsPerClient > 0 && counts[client, default: 0] >= limits.uploadsPerClient
    }

    private mutating func insert(_ key: UploadKey, _ entry: Entry) {
        entries[key] = entry
        // Uploads without a known client count against no client.
        if !entry.client.isEmpty { counts[entry.client, default: 0] += 1 }
    }

    private mutating func removeUnbegun(at now: UInt64) {
        for (key, entry) in entries {
            if let admitted = entry.admitted, admitted + UploadCounts.beginSeconds <= now { ended(key) }
        }
    }

    /// - Parameter count: more than the bucket holds empties a full one, so that no upload has to wait for ever.
    private mutating func take(
        _ count: Int, fromBucketOf client: String, at now: UInt64
    ) throws(UploadLimitReached) {
        guard limits.newPerMinute > 0, !client.isEmpty else { return }
        let (rate, full) = (limits.newPerMinute, limits.newPerMinute * 60)
        let cost = min(count * 60, full)
        func filled(_ bucket: Bucket) -> Int {
            let seconds = now > bucket.time ? min(now - bucket.time, 60) : 0
            return min(full, bucket.level + rate * Int(seconds))
        }
        if buckets[client] == nil && buckets.count >= UploadCounts.maximumBuckets {
            buckets = buckets.filter { filled($0.value) < full }
            // This many clients within a minute are not the work of a single one: a limit per client can't help.
            if buckets.count >= UploadCounts.maximumBuckets { buckets = [:] }
        }
        let level = buckets[client].map(filled) ?? full
        guard level >= cost else { throw .tooManyNew(seconds: (cost - level + rate - 1) / rate) }
        buckets[client] = Bucket(level: level - cost, time: now)
    }
}
