import UploadStore

/// Which uploads have something to be told to one receiver, and when it is tried next. Only names: the events themselves
/// stay in the outbox, and where more are waiting than are remembered here, the outbox is looked through again.
///
/// Times are milliseconds of one clock that is never set.
struct DeliveryQueue {
    /// How many uploads are remembered.
    static let capacity = 4096
    /// How often the outbox is looked through whatever happens: for what another process left that died.
    static let lookInterval: UInt64 = 600_000

    private struct Entry {
        var due: UInt64
        /// It waits because the receiver could not be reached.
        var isWaitingForReceiver = false
        /// More came for it while it was being told.
        var hasMore = false
        var isTaken = false
    }

    private var entries: [UploadKey: Entry] = [:]
    /// Until then the receiver wants to be left alone.
    private var pausedUntil: UInt64 = 0
    /// When the outbox is to be looked through; nil while somebody does.
    private var lookAt: UInt64? = 0
    /// There is more than is remembered.
    private var isMore = false
    var isStopping = false

    /// What a thread is to do next.
    enum Task: Equatable {
        case deliver(UploadKey)
        case look
        /// Nothing for the moment.
        case rest
        case stop
    }

    /// How many uploads are known to wait.
    var count: Int { entries.count }

    /// Something of that upload waits.
    mutating func add(_ key: UploadKey, due: UInt64) {
        if entries[key] != nil {
            entries[key]?.hasMore = true
        } else if entries.count < DeliveryQueue.capacity {
            entries[key] = Entry(due: due)
        } else {
            isMore = true
        }
    }

    /// The next task; nil while there is none.
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

    /// How long there is nothing to do, if nothing comes.
    func pause(now: UInt64) -> UInt64 {
        var next = lookAt ?? .max
        let due = entries.values.lazy.filter { !$0.isTaken }.map(\.due).min()
        if let due { next = min(next, max(due, pausedUntil)) }
        return next > now ? next - now : 1
    }

    // MARK: What came of a task

    /// All of that upload was told.
    mutating func finished(_ key: UploadKey, now: UInt64) {
        guard let entry = entries[key] else { return }
        entries[key] = entry.hasMore ? Entry(due: now) : nil
    }

    /// It is to be tried again.
    mutating func postpone(_ key: UploadKey, until due: UInt64, isWaitingForReceiver: Bool = false) {
        entries[key] = Entry(due: due, isWaitingForReceiver: isWaitingForReceiver)
    }

    /// The receiver has taken something: whoever waited because it could not be reached waits no longer.
    mutating func receiverAnswered(now: UInt64) {
        for (key, entry) in entries where entry.isWaitingForReceiver && !entry.isTaken {
            entries[key]?.due = min(entry.due, now)
            entries[key]?.isWaitingForReceiver = false
        }
    }

    /// The receiver wants to be left alone.
    mutating func pauseReceiver(until time: UInt64) { pausedUntil = max(pausedUntil, time) }

    /// The outbox was looked through.
    ///
    /// - Parameter found: the uploads that wait, and when they are due.
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

    /// The outbox has to be looked through.
    ///
    /// - Returns: false while somebody does already: he may have been too early.
    mutating func look(now: UInt64) -> Bool {
        guard lookAt != nil else { return false }
        lookAt = now
        return true
    }
}
