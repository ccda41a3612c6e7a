import Linux
import S3
import UploadModel
package import UploadStore

/// The events of a store in a bucket.
struct ObjectOutbox: EventOutbox {
    private let store: ObjectStore

    init(_ store: ObjectStore) { self.store = store }

    private var keys: Keys { store.keys }

    // MARK: Listing

    func events(
        owedTo recipients: Recipients, atMost limit: Int
    ) throws(StoreError) -> (events: [OwedEvent], isMore: Bool, unreadable: [StoreError]) {
        try store.useNotes()
        let owed = try list(keys.events)
        let names = owed.filter { !$0.value.isDisjoint(with: recipients) }.keys.sorted()
        let tried = try list(keys.attempts)
        var events: [OwedEvent] = []
        var unreadable: [StoreError] = []
        for name in names.prefix(limit) {
            let owed = owed[name] ?? []
            do throws(StoreError) {
                var attempts: [Recipients: Attempts] = [:]
                for recipient in owed.intersection(tried[name] ?? []).each {
                    attempts[recipient] = try self.attempts(name, recipient)
                }
                // A recipient may have received it since it was listed.
                for recipient in owed.each {
                    guard let outcome = try outcome(name, recipient) else { continue }
                    events.append(event(name, outcome, owed, attempts))
                    break
                }
            } catch { unreadable.append(error) }
        }
        return (events, names.count > limit, unreadable)
    }

    /// The names below a folder that has one for each recipient, and the recipients.
    private func list(_ folder: String) throws(StoreError) -> [EventName: Recipients] {
        var found: [EventName: Recipients] = [:]
        for object in try onEngine({ () throws(S3Error) in try store.bucket.listAll(folder) }) {
            let words = object.key.dropFirst(folder.count).split(separator: "/")
            guard words.count == 2, let bits = UInt8(words[0]), let name = EventName(words[1]) else { continue }
            found[name, default: []].insert(Recipients(rawValue: bits))
        }
        return found
    }

    /// Returns the oldest event of an upload that is owed to a recipient; nil if there is none.
    fileprivate func first(of key: UploadKey, for recipient: Recipients) throws(StoreError) -> OwedEvent? {
        let prefix = keys.events(recipient) + key.text + "."
        let objects = try onEngine { () throws(S3Error) in try store.bucket.listAll(prefix) }
        let names = objects.compactMap { EventName($0.key.dropFirst(keys.events(recipient).count)) }
        for name in names.sorted() {
            guard let outcome = try outcome(name, recipient) else { continue }
            var attempts: [Recipients: Attempts] = [:]
            attempts[recipient] = try self.attempts(name, recipient)
            return event(name, outcome, recipient, attempts)
        }
        return nil
    }

    private func event(
        _ name: EventName, _ outcome: Outcome, _ owed: Recipients, _ attempts: [Recipients: Attempts]
    ) -> OwedEvent {
        // The generation names the event's objects. The rest keeps events apart whose generations have the same name.
        let text = "\(name.text).\(outcome.claim.begun)"
        return OwedEvent(
            id: name.generation.text + sha256Hex(Array(text.utf8)).prefix(32 - name.generation.text.count),
            upload: outcome.summary, owed: owed, attempts: attempts)
    }

    /// Nil if the event is not owed to the recipient any more.
    private func outcome(_ name: EventName, _ recipient: Recipients) throws(StoreError) -> Outcome? {
        let key = keys.event(name, recipient)
        guard let body = try store.document(key) else { return nil }
        return try understood(Fields(body).flatMap { Outcome($0) }, key)
    }

    private func attempts(_ name: EventName, _ recipient: Recipients) throws(StoreError) -> Attempts? {
        try store.document(keys.attempts(name, recipient)).flatMap { Fields($0) }.flatMap { fields in
            guard let count = fields.number("count"), let next = fields.number("next") else { return nil }
            return Attempts(count: Int(clamping: count), next: next, reason: fields["reason"] ?? "")
        }
    }

    // MARK: Recording

    /// The name of an event of this store; nil for one of another store.
    private func name(of event: OwedEvent) -> EventName? {
        guard let finished = event.upload.finished, let generation = Generation.Name(event.id.prefix(8)) else {
            return nil
        }
        return EventName(upload: event.key.text, finished: finished, generation)
    }

    /// Records that an event is no longer owed to a recipient.
    fileprivate func settle(_ event: OwedEvent, _ recipient: Recipients) throws(StoreError) {
        guard let name = name(of: event) else { return }
        var settled = [keys.event(name, recipient)]
        if event.attempts[recipient] != nil { settled.append(keys.attempts(name, recipient)) }
        try onEngine { [settled] () throws(S3Error) in try store.bucket.delete(settled) }
    }

    fileprivate func record(
        _ attempts: Attempts, of event: OwedEvent, _ recipient: Recipients
    ) throws(StoreError) {
        guard let name = name(of: event) else { return }
        var fields = Fields()
        fields["count"] = String(attempts.count)
        fields["next"] = String(attempts.next)
        fields["reason"] = attempts.reason
        try put(keys.attempts(name, recipient), fields)
    }

    private func put(_ key: String, _ fields: Fields) throws(StoreError) {
        try onEngine { () throws(S3Error) in try store.bucket.put(key, fields.body, metadata: [:], ifAbsent: false) }
    }

    // MARK: Delivering

    func lease(_ key: UploadKey, for recipient: Recipients) throws(StoreError) -> (any DeliveryLease)? {
        let lease = try TimedLease(store, keys.lease(key, recipient))
        return lease.map { ObjectLease(self, key, recipient, $0) }
    }

    func changes() throws(StoreError) -> UInt64 {
        let body = try store.document(keys.changes)
        return body.flatMap { Fields($0) }.flatMap { $0["nonce"] }.flatMap { UInt64($0, radix: 16) } ?? 0
    }

    // MARK: Operators

    func retry(_ event: OwedEvent, _ recipients: Recipients) throws(StoreError) {
        for recipient in recipients.each {
            let before = event.attempts[recipient]
            let due = Attempts(count: before?.count ?? 0, next: store.now(), reason: before?.reason ?? "")
            try record(due, of: event, recipient)
        }
        try announceChange()
    }

    func drop(_ event: OwedEvent, _ recipients: Recipients) throws(StoreError) {
        for recipient in recipients.each { try settle(event, recipient) }
        try announceChange()
    }

    private func announceChange() throws(StoreError) {
        var fields = Fields()
        fields["nonce"] = store.random().hexDigits
        try put(keys.changes, fields)
    }
}

/// The right to deliver the events of one upload to one recipient.
private final class ObjectLease: DeliveryLease {
    private let outbox: ObjectOutbox
    private let key: UploadKey
    private let recipient: Recipients
    private let lease: TimedLease

    init(_ outbox: ObjectOutbox, _ key: UploadKey, _ recipient: Recipients, _ lease: TimedLease) {
        self.outbox = outbox
        self.key = key
        self.recipient = recipient
        self.lease = lease
    }

    func next() throws(StoreError) -> OwedEvent? {
        guard try lease.renew() else { return nil }
        return try outbox.first(of: key, for: recipient)
    }

    func delivered(_ event: OwedEvent) throws(StoreError) { try outbox.settle(event, recipient) }

    func failed(_ event: OwedEvent, _ attempts: Attempts) throws(StoreError) {
        try outbox.record(attempts, of: event, recipient)
    }
}

extension ObjectStore: EventStore {
    package var outbox: any EventOutbox { ObjectOutbox(self) }
}
