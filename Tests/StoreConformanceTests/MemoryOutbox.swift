import Linux
import UploadStore

/// The events of a `MemoryStore`.
struct MemoryOutbox: EventOutbox {
    let memory: SharedMemory
    let now: @Sendable () -> UInt64

    func events(
        owedTo recipients: Recipients, atMost limit: Int
    ) -> (events: [OwedEvent], isMore: Bool, unreadable: [StoreError]) {
        let owed = memory.contents.withLock { $0.events.filter { !$0.owed.isDisjoint(with: recipients) } }
        return (Array(owed.prefix(limit)), owed.count > limit, [])
    }

    func lease(_ key: UploadKey, for recipient: Recipients) -> (any DeliveryLease)? {
        let name = SharedMemory.LeaseName(key: key, recipient: recipient)
        guard memory.contents.withLock({ $0.leases.insert(name).inserted }) else { return nil }
        return MemoryLease(self, name)
    }

    func retry(_ event: OwedEvent, _ recipients: Recipients) {
        for recipient in recipients.each {
            change(event) { owed, attempts in
                attempts[recipient] = Attempts(
                    count: attempts[recipient]?.count ?? 0, next: now(), reason: attempts[recipient]?.reason ?? "")
            }
        }
        memory.contents.withLock { $0.changes += 1 }
    }

    func drop(_ event: OwedEvent, _ recipients: Recipients) {
        settle(event, recipients)
        memory.contents.withLock { $0.changes += 1 }
    }

    func changes() -> UInt64 { memory.contents.withLock { $0.changes } }

    func settle(_ event: OwedEvent, _ recipients: Recipients) {
        change(event) { owed, attempts in
            owed.subtract(recipients)
            for recipient in recipients.each { attempts[recipient] = nil }
        }
    }

    /// Changes what is owed of an event. The event is gone once that is nothing.
    func change(_ event: OwedEvent, _ work: (inout Recipients, inout [Recipients: Attempts]) -> Void) {
        memory.contents.withLock { contents in
            guard let index = contents.events.firstIndex(where: { $0.id == event.id }) else { return }
            var (owed, attempts) = (contents.events[index].owed, contents.events[index].attempts)
            work(&owed, &attempts)
            contents.events[index] = OwedEvent(id: event.id, upload: event.upload, owed: owed, attempts: attempts)
            if owed.isEmpty { contents.events.remove(at: index) }
        }
    }
}

private final class MemoryLease: DeliveryLease {
    private let outbox: MemoryOutbox
    private let name: SharedMemory.LeaseName

    init(_ outbox: MemoryOutbox, _ name: SharedMemory.LeaseName) {
        self.outbox = outbox
        self.name = name
    }

    deinit {
        _ = outbox.memory.contents.withLock { $0.leases.remove(name) }
    }

    func next() -> OwedEvent? {
        outbox.memory.contents.withLock { contents in
            contents.events.first { $0.key == name.key && $0.owed.isSuperset(of: name.recipient) }
        }
    }

    func delivered(_ event: OwedEvent) { outbox.settle(event, name.recipient) }

    func failed(_ event: OwedEvent, _ attempts: Attempts) {
        outbox.change(event) { $1[name.recipient] = attempts }
    }
}
