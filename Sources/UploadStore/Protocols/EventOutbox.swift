import UploadModel

/// A store that records, together with each finished file, which recipients are to be told of it.
package protocol EventStore: Sendable {
    /// The events that are not delivered.
    var outbox: any EventOutbox { get }
}

/// The events that a store owes to recipients. There is an event if and only if there is a finished file, whatever
/// crashes: an event is delivered at least once.
///
/// All calls may come from any thread, and from several processes that share one store.
package protocol EventOutbox: Sendable {
    /// Returns the oldest events that are owed to any of `recipients`, at most `limit`, the oldest first.
    ///
    /// - Returns: the events, whether there are more, and why records cannot be read that may have further ones.
    /// - Throws: `StoreError` if the store cannot list its events.
    func events(
        owedTo recipients: Recipients, atMost limit: Int
    ) throws(StoreError) -> (events: [OwedEvent], isMore: Bool, unreadable: [StoreError])

    /// Takes the lease to deliver events of one upload to one recipient; nil if another thread or process holds it.
    func lease(_ key: UploadKey, for recipient: Recipients) throws(StoreError) -> (any DeliveryLease)?

    /// Has an event delivered as soon as possible, however often that has failed.
    func retry(_ event: OwedEvent, _ recipients: Recipients) throws(StoreError)

    /// Gives up delivering an event to these recipients.
    func drop(_ event: OwedEvent, _ recipients: Recipients) throws(StoreError)

    /// Returns a number that changes with each `retry` and `drop`, by whichever process, so that dispatchers know when
    /// to read the outbox again.
    func changes() throws(StoreError) -> UInt64
}

extension EventOutbox {
    /// Returns all events that are not delivered, the oldest first.
    package func allEvents() throws(StoreError) -> [OwedEvent] {
        try events(owedTo: Recipients(rawValue: .max), atMost: .max).events
    }
}

/// The right to deliver events of one upload to one recipient. It ends when the lease is released, or with its process.
/// Used by one thread.
package protocol DeliveryLease: AnyObject {
    /// Returns the oldest event of the upload that is owed to the recipient; nil if there is none, or if the lease has
    /// ended. Only this recipient is certain to be among those that the event says are owed.
    func next() throws(StoreError) -> OwedEvent?

    /// Records that the recipient has received the event.
    func delivered(_ event: OwedEvent) throws(StoreError)

    /// Records a failed attempt.
    func failed(_ event: OwedEvent, _ attempts: Attempts) throws(StoreError)
}

/// A finished file that at least one recipient is still to be told of.
package struct OwedEvent: Sendable {
    /// Names the event: the same at each delivery, and unique. 32 hexadecimal digits.
    package let id: String
    /// The finished upload.
    package let upload: UploadSummary
    /// The recipients that are still to be told.
    package let owed: Recipients
    /// The failed attempts, by recipient.
    package let attempts: [Recipients: Attempts]

    package init(id: String, upload: UploadSummary, owed: Recipients, attempts: [Recipients: Attempts]) {
        self.id = id
        self.upload = upload
        self.owed = owed
        self.attempts = attempts
    }

    /// The key of the upload.
    package var key: UploadKey { UploadKey(upload.id) }
}
