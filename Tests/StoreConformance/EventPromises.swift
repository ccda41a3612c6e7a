import Testing
import UploadModel
import UploadStore

extension Promise {
    private static let first = Recipients(rawValue: 1)
    private static let second = Recipients(rawValue: 2)
    private static let both: Recipients = [first, second]

    /// Which recipients are owed an event of a finished file, and how it is delivered.
    static let events = [
        Promise("A finished file is owed to every recipient, and an unfinished one to none") { site in
            let store = try site.openForEvents(StoreSettings(recipients: both))
            var client = try Client(of: content(30))
            client.metadata = Metadata([.init(name: "title", value: "Ein Titel")])
            for number in 1...2 { try client.send(number, to: store) }
            #expect(try store.outbox.allEvents().isEmpty)
            try client.send(3, to: store)
            let event = try #require(try site.openForEvents().outbox.allEvents().first)
            #expect(event.upload.id == client.id && event.key == UploadKey(client.id))
            #expect(event.upload.path == "name.bin" && event.upload.size == 30)
            #expect(event.upload.metadata == client.metadata)
            #expect(event.owed == both && event.attempts.isEmpty)
            #expect(event.id.count == 32 && event.id.allSatisfy(\.isHexDigit))
        },
        Promise("Without recipients nothing is owed, also not later") { site in
            let client = try Client(of: content(30))
            try client.sendAll(to: site.openForEvents())
            #expect(try site.openForEvents(StoreSettings(recipients: both)).outbox.allEvents().isEmpty)
        },
        Promise("An event that one recipient has received is still owed to the other") { site in
            let store = try site.openForEvents(StoreSettings(recipients: both))
            let client = try Client(of: content(30))
            try client.sendAll(to: store)
            let event = try #require(try deliver(client, first, store))
            #expect(try site.openForEvents().outbox.allEvents().map(\.owed) == [second])
            #expect(try store.outbox.events(owedTo: first, atMost: 9).events.isEmpty)
            #expect(try deliver(client, first, store) == nil)
            #expect(try deliver(client, second, store) == event)
            #expect(try site.openForEvents().outbox.allEvents().isEmpty)
        },
        Promise("One lease exists for an upload and a recipient, in all processes, until it is released") { site in
            let (store, other) = (try site.openForEvents(StoreSettings(recipients: both)), try site.openForEvents())
            let client = try Client(of: content(30))
            try client.sendAll(to: store)
            let key = UploadKey(client.id)
            var lease = try store.outbox.lease(key, for: first)
            #expect(lease != nil)
            #expect(try store.outbox.lease(key, for: first) == nil)
            #expect(try other.outbox.lease(key, for: first) == nil)
            #expect(try other.outbox.lease(key, for: second) != nil)
            #expect(try other.outbox.lease(UploadKey(try Client("another", of: content(1)).id), for: first) != nil)
            lease = nil
            #expect(try other.outbox.lease(key, for: first) != nil)
        },
        Promise("Failed attempts are recorded with their reason, and end with the delivery") { site in
            let store = try site.openForEvents(StoreSettings(recipients: both))
            let client = try Client(of: content(30))
            try client.sendAll(to: store)
            for count in 1...3 {
                let lease = try #require(try store.outbox.lease(UploadKey(client.id), for: first))
                let event = try #require(try lease.next())
                try lease.failed(event, Attempts(count: count, next: 1000, reason: "Überlastung \(count)"))
            }
            let expected = Attempts(count: 3, next: 1000, reason: "Überlastung 3")
            #expect(try site.openForEvents().outbox.allEvents().map(\.attempts) == [[first: expected]])
            try deliver(client, first, store)
            #expect(try site.openForEvents().outbox.allEvents().map(\.attempts) == [[:]])
        },
        Promise("A retry makes an event due, a drop ends it, and dispatchers can see both") { site in
            let (store, other) = (try site.openForEvents(StoreSettings(recipients: both)), try site.openForEvents())
            let client = try Client(of: content(30))
            try client.sendAll(to: store)
            do {
                let lease = try #require(try store.outbox.lease(UploadKey(client.id), for: first))
                let event = try #require(try lease.next())
                try lease.failed(event, Attempts(count: 9, next: .max / 2, reason: "no"))
            }
            var changes = try store.outbox.changes()
            #expect(try store.outbox.changes() == changes)
            try other.outbox.retry(try #require(try other.outbox.allEvents().first), first)
            #expect(try store.outbox.changes() != changes)
            let attempts = try #require(try store.outbox.allEvents().first?.attempts[first])
            #expect(attempts.count == 9 && attempts.reason == "no" && attempts.next < .max / 4)
            changes = try store.outbox.changes()
            try other.outbox.drop(try #require(try other.outbox.allEvents().first), first)
            #expect(try store.outbox.changes() != changes)
            #expect(try deliver(client, first, store) == nil)
            #expect(try store.outbox.allEvents().map(\.owed) == [second])
        },
        Promise("Events of one upload stay when another upload takes its place, and come in order") { site in
            let store = try site.openForEvents(StoreSettings(recipients: first))
            let client = try Client(of: content(1))
            for size in 1...20 { try client.with(content(size)).sendAll(to: store) }
            #expect(try Set(store.outbox.allEvents().map(\.id)).count == 20)
            for size in 1...20 as ClosedRange<UInt64> {
                let lease = try #require(try store.outbox.lease(UploadKey(client.id), for: first))
                let event = try #require(try lease.next())
                #expect(event.upload.size == size)
                try lease.delivered(event)
            }
            #expect(try store.outbox.allEvents().isEmpty)
        },
        Promise("An event outlives the record of its upload") { site in
            let store = try site.openForEvents(StoreSettings(expire: 1000, recipients: first))
            let client = try Client(of: content(30))
            try client.sendAll(to: store)
            let event = try #require(try store.outbox.allEvents().first)
            for _ in 0..<2 {
                site.wait(seconds: 5000)
                #expect(store.sweep().failures.isEmpty)
                #expect(try store.uploads().isEmpty)
                let later = try #require(try store.outbox.allEvents().first)
                #expect(later.id == event.id && later.owed == first)
                #expect(later.upload.path == "name.bin" && later.upload.finished == event.upload.finished)
            }
            #expect(try deliver(client, first, store) == event.id)
            #expect(try store.outbox.allEvents().isEmpty)
        },
        Promise("The oldest events come first if not all are asked for") { site in
            let store = try site.openForEvents(StoreSettings(recipients: both))
            for number in 0..<7 {
                try Client("id \(6 - number)", "\(number)", of: content(10)).sendAll(to: store)
                site.wait(seconds: 2)
            }
            let found = try store.outbox.events(owedTo: first, atMost: 3)
            #expect(found.events.map(\.upload.path) == ["0", "1", "2"])
            #expect(found.isMore)
            #expect(try !store.outbox.events(owedTo: first, atMost: 7).isMore)
        },
    ]

    /// Delivers the oldest event of a client's upload. Returns its id.
    @discardableResult
    private static func deliver(
        _ client: Client, _ recipient: Recipients, _ store: any EventStore
    ) throws -> String? {
        let lease = try #require(try store.outbox.lease(UploadKey(client.id), for: recipient))
        guard let event = try lease.next() else { return nil }
        try lease.delivered(event)
        return event.id
    }
}
