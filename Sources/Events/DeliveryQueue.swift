import UploadStore

/// The uploads that have events for one receiver, and when each is tried next. The queue has only their keys: the
/// events stay in the outbox, and if there are more uploads than the queue can take, the outbox is read again.
///
/// Times are milliseconds of a monotonic clock.
struct DeliveryQueue {
    /// How many uploads the queue can take.
    static let capacity = 4096
    /// After how many milliseconds the outbox is read again in any case, to find the events of a process that died.
    static let lookInterval: UInt64 = 600_000

    private struct Entry {
        var due: UInt64
        /// True if it waits because the receiver could not be reached.
        var isWaitingForReceiver = false
        /// True if another event came while a thread was delivering.
        var hasMore = false
        /// True while a thread delivers.
        var isTaken = false
    }

    private var entries: [UploadKey: Entry] = [:]
    /// The receiver has asked for no deliveries until then.
    private var pausedUntil: UInt64 = 0
    /// When the outbox is to be read; nil while a thread reads it.
    private var lookAt: UInt64? = 0
    /// True if the outbox has more uploads than the queue could take.
    private var isMore = false
    var isStopping = false

    /// The next step of a thread.
    enum Task: Equatable {
        /// Deliver the events of an upload.
        case deliver(UploadKey)
        /// Read the outbox.
        case look
        /// Nothing for the moment.
        case rest
        /// End.
        case stop
    }

    /// The number of uploads in the queue.
    var count: Int { entries.count }

    /// Adds an upload.
    mutating func add(_ key: UploadKey, due: UInt64) {
        if entries[key] != nil {
            entries[key]?.hasMore = true
        } else if entries.count < DeliveryQueue.capacity {
            entries[key] = Entry(due: due)
        } else {
            isMore = true
        }
    }

    /// Returns the next task; nil if there is none now.
    mutating func take(now: UInt64) -> Task? {
        if isStopping { return .stop }
        if isMore && entries.count <= DeliveryQueue.capacity / 2 && lookAt != nil { lookAt = now }
        if let at = lookAt, at <= now {
            lookAt = nil
            isMore = false
            return .look
        }
        guard pausedUntil <= now else { return nil }
        let due = entries.lazy.filter { !$0.value.isTaken && $0.value.due <= now }
        guard let key = due.min(by: { $0.value.due < $1.value.due })?.key else { return nil }
        entries[key]?.isTaken = true
        entries[key]?.hasMore = false
        return .deliver(key)
    }

    /// Returns for how long there is no task unless an upload is added. At least 1.
    func pause(now: UInt64) -> UInt64 {
        var next = lookAt ?? .max
        let due = entries.values.lazy.filter { !$0.isTaken }.map(\.due).min()
        if let due { next = min(next, max(due, pausedUntil)) }
        return next > now ? next - now : 1
    }

    // MARK: Results of tasks

    /// All events of the upload are delivered.
    mutating func finished(_ key: UploadKey, now: UInt64) {
        guard let entry = entries[key] else { return }
        entries[key] = entry.hasMore ? Entry(due: now) : nil
    }

    /// The upload is to be tried again.
    mutating func postpone(_ key: UploadKey, until due: UInt64, isWaitingForReceiver: Bool = false) {
        entries[key] = Entry(due: due, isWaitingForReceiver: isWaitingForReceiver)
    }

    /// The receiver has answered. Uploads that wait because it could not be reached are due now.
    mutating func receiverAnswered(now: UInt64) {
        for (key, entry) in entries where entry.isWaitingForReceiver && !entry.isTaken {
            entries[key]?.due = min(entry.due, now)
            entries[key]?.isWaitingForReceiver = false
        }
    }

    /// The receiver asks for no deliveries until `time`.
    mutating func pauseReceiver(until time: UInt64) { pausedUntil = max(pausedUntil, time) }

    /// The outbox was read.
    ///
    /// - Parameters:
    ///   - found: the uploads that have events, and when they are due.
    ///   - isMore: true if the outbox has more.
    mutating func looked(_ found: [(key: UploadKey, due: UInt64)], isMore: Bool, now: UInt64) {
        for (key, due) in found {
            if entries[key]?.isTaken == false {
                entries[key]?.due = due
            } else {
                add(key, due: due)
            }
        }
        self.isMore = self.isMore || isMore
        lookAt = now + DeliveryQueue.lookInterval
    }

    /// Makes a thread read the outbox.
    ///
    /// - Returns: false while a thread reads it already: it may have begun too early, so the caller must ask again.
    mutating func look(now: UInt64) -> Bool {
        guard lookAt != nil else { return false }
        lookAt = now
        return true
    }
}
