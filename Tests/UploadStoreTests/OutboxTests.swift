import Glibc
import Linux
import Synchronization
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// The recipients that are owed an event of a finished file, whatever happens to its upload.

@Suite struct OutboxTests {
    static let one = Recipients(rawValue: 1)
    static let two = Recipients(rawValue: 2)
    static let both: Recipients = [one, two]

    let site: Site
    let id: UploadID
    let bytes = content(30)

    init() throws {
        site = try Site()
        id = try uploadID()
        // Journals have times of the real clock.
        site.time.store(UInt64(time(nil)), ordering: .relaxed)
    }

    private func store(_ recipients: Recipients = both, expire: UInt64 = 0) throws -> LocalStore {
        try site.store(StoreSettings(expire: expire, recipients: recipients))
    }

    private func events(_ store: LocalStore, _ recipients: Recipients = both) throws -> [OwedEvent] {
        try Outbox(store).events(owedTo: recipients).events
    }

    private func lease(_ store: LocalStore, _ recipient: Recipients = one) throws -> any DeliveryLease {
        try #require(try Outbox(store).lease(UploadKey(id), for: recipient))
    }

    /// Delivers one event, and returns its name.
    @discardableResult
    private func deliver(_ store: LocalStore, _ recipient: Recipients = one) throws -> String? {
        let lease = try lease(store, recipient)
        guard let event = try lease.next() else { return nil }
        try lease.delivered(event)
        return event.id
    }

    @Test("Every recipient is owed an event of a finished file, and of no other")
    func owed() throws {
        let store = try store()
        let chunks = Chunk.all(of: 30, size: 10)
        for chunk in chunks.dropLast() { try store.send(chunk, of: bytes, as: id) }
        #expect(try events(store).isEmpty)
        try store.send(chunks[2], of: bytes, as: id)
        let event = try #require(try events(store).first)
        #expect(event.upload.id == id)
        #expect(event.upload.path == "name.bin")
        #expect(event.upload.size == 30)
        #expect(event.owed == Self.both)
        #expect(event.attempts.isEmpty)
        #expect(event.id.count == 32 && event.id.allSatisfy(\.isHexDigit))
    }

    @Test("Without recipients no event is owed, also not after recipients are added")
    func nobody() throws {
        try store([]).sendAll(bytes, as: id)
        #expect(try events(store()).isEmpty)
        #expect(site.state == [UploadKey(id).journal])
    }

    @Test("An event that was delivered to one recipient is still owed to the other, also after a restart")
    func each() throws {
        try store().sendAll(bytes, as: id)
        let event = try #require(try deliver(store(), Self.one))
        #expect(try events(store()).map(\.owed) == [Self.two])
        #expect(try events(store(), Self.one).isEmpty)
        #expect(try deliver(store(), Self.two) == event)
        #expect(try events(store()).isEmpty)
        #expect(try deliver(store(), Self.two) == nil)
    }

    @Test("A failed attempt is kept with its reason, until the event is delivered")
    func attempts() throws {
        try store().sendAll(bytes, as: id)
        for count in 1...3 {
            let lease = try lease(store())
            let event = try #require(try lease.next())
            try lease.failed(event, Attempts(count: count, next: 1000, reason: "Überlastung \(count)"))
        }
        let expected = Attempts(count: 3, next: 1000, reason: "Überlastung 3")
        #expect(try events(store()).map(\.attempts) == [[Self.one: expected]])
        try deliver(store())
        #expect(try events(store()).map(\.attempts) == [[:]])
    }

    @Test("Only one process at a time has the lease of an upload; each recipient has its own lease")
    func turns() throws {
        let (here, elsewhere) = try (store(), store())
        try here.sendAll(bytes, as: id)
        var lease: (any DeliveryLease)? = try lease(here)
        #expect(try Outbox(elsewhere).lease(UploadKey(id), for: Self.one) == nil)
        #expect(try Outbox(here).lease(UploadKey(id), for: Self.one) == nil)
        #expect(try Outbox(elsewhere).lease(UploadKey(id), for: Self.two) != nil)
        #expect(try Outbox(elsewhere).lease(UploadKey(uploadID("another")), for: Self.one) != nil)
        lease = nil
        #expect(lease == nil)
        #expect(try Outbox(elsewhere).lease(UploadKey(id), for: Self.one) != nil)
    }

    @Test("An upload that replaces a finished one removes none of its events, and they stay in order")
    func replaced() throws {
        let store = try store(Self.one)
        var ids: [String] = []
        // More than 16 within a second: the order is that of finishing, not of names or times.
        for size in 1...20 {
            try store.sendAll(content(size), as: id)
            ids += try events(store).map(\.id).filter { !ids.contains($0) }
            #expect(ids.count == size)
        }
        let sizes = try (1...20).map { _ in
            let lease = try lease(store)
            let event = try #require(try lease.next())
            #expect(event.id == ids[Int(event.upload.size ?? 0) - 1])
            try lease.delivered(event)
            return event.upload.size
        }
        #expect(sizes == (1...20).map { UInt64($0) })
        #expect(try events(store).isEmpty)
        #expect(site.folder.names(in: ".resumabled/events") == ["turns"])
    }

    @Test("A file that was moved away and uploaded again has two events")
    func sentAnew() throws {
        let store = try store(Self.one)
        try store.sendAll(bytes, as: id)
        try site.folder.move("name.bin", to: "elsewhere")
        try store.sendAll(bytes, as: id)
        #expect(try Set(events(store).map(\.id)).count == 2)
    }

    @Test("A delivery counts although its upload is replaced meanwhile")
    func replacedMeanwhile() throws {
        let store = try store(Self.one)
        try store.sendAll(bytes, as: id)
        let lease = try lease(store)
        let first = try #require(try lease.next())
        try store.sendAll(content(31), as: id)
        #expect(try lease.next()?.id == first.id)
        try lease.delivered(first)
        let second = try #require(try lease.next())
        #expect(second.upload.size == 31)
        #expect(second.id != first.id)
    }

    @Test("An owed event does not expire with its upload, and keeps its metadata")
    func expired() throws {
        let metadata = Metadata([.init(name: "title", value: "Ein Titel")])
        let store = try store(Self.one, expire: 1000)
        let layout = try Chunk.all(of: 30, size: 30)[0].layout()
        let place = ChunkRequest.Place.sized(total: 30, chunkSize: 30, layout)
        let writer = try store.receive(ChunkRequest(upload: id, number: 1, place: place, metadata: metadata))
        try writer.write(bytes)
        _ = try writer.commit()
        let before = try #require(try events(store).first)
        site.wait(seconds: 2000)
        #expect(store.sweep().failures.isEmpty)
        #expect(site.state == ["events"])
        site.wait(seconds: 100_000)
        #expect(store.sweep().failures.isEmpty)
        let event = try #require(try events(store).first)
        #expect(event.id == before.id)
        #expect(event.upload.path == "name.bin")
        #expect(event.upload.size == 30)
        #expect(event.upload.begun == before.upload.begun)
        #expect(event.upload.finished == before.upload.finished)
        #expect(event.upload.metadata == metadata)
        #expect(try deliver(store) == event.id)
        #expect(site.folder.names(in: ".resumabled/events") == ["turns"])
    }

    @Test("A copy made by a process that died before removing the journal is not a second event, and is swept")
    func halfReplaced() throws {
        let store = try store(Self.one)
        try store.sendAll(bytes, as: id)
        let journal = try site.folder.read(site.journalPath(id))
        try store.sendAll(content(31), as: id)
        // As if the new upload had never been sent.
        try site.folder.write(journal, to: site.journalPath(id))
        #expect(try events(store).count == 1)
        #expect(site.folder.names(in: ".resumabled/events").count == 1)
        #expect(store.sweep().failures.isEmpty)
        #expect(site.folder.names(in: ".resumabled/events").isEmpty)
        #expect(try events(store).count == 1)
    }

    @Test("An operator drops an event, and it is never delivered")
    func dropped() throws {
        let store = try store()
        try store.sendAll(bytes, as: id)
        let wishes = try Outbox(store).changes()
        try Outbox(store).drop(try #require(try events(store).first), Self.one)
        #expect(try Outbox(store).changes() != wishes)
        #expect(try deliver(store, Self.one) == nil)
        #expect(try events(store).map(\.owed) == [Self.two])
    }

    @Test("An operator can have an event delivered now")
    func retried() throws {
        let store = try store()
        try store.sendAll(bytes, as: id)
        let lease = try lease(store)
        let future = site.time.load(ordering: .relaxed) + 3600
        let event = try #require(try lease.next())
        try lease.failed(event, Attempts(count: 9, next: future, reason: "no"))
        try Outbox(store).retry(try #require(try events(store).first), Self.one)
        let attempts = Attempts(count: 9, next: site.time.load(ordering: .relaxed), reason: "no")
        #expect(try events(store).first?.attempts == [Self.one: attempts])
    }

    @Test("With a limit, the oldest events come first")
    func limited() throws {
        let store = try store()
        for number in 0..<7 {
            site.time.store(2_000_000_000 - UInt64(number), ordering: .relaxed)
            try store.sendAll(content(10), as: uploadID("id\(number)", "name\(number)"))
        }
        let found = try Outbox(store).events(owedTo: Self.one, atMost: 3)
        #expect(found.events.map(\.upload.id.identifier) == ["id6", "id5", "id4"])
        #expect(found.isMore)
        #expect(try !Outbox(store).events(owedTo: Self.one, atMost: 7).isMore)
    }

    @Test("The admission hook is called before an upload is begun")
    func admission() throws {
        let asked = Collected<String>()
        let store = try LocalStore(
            root: LinuxDirectory.root(site.folder.path), boot: BootID(low: 1, high: 0), now: { 5 },
            admit: { chunk, _ throws(StoreError) in
                asked.add(chunk.upload.identifier)
                if chunk.upload.identifier == "bad" { throw .notAdmitted("No.") }
            })
        let bad = try uploadID("bad")
        #expect(throws: StoreError.notAdmitted("No.")) { try store.sendAll(bytes, as: bad) }
        #expect(site.state.isEmpty && site.files.isEmpty)
        try store.sendAll(bytes, as: id)
        #expect(asked.all == ["bad", "id"])
        #expect(site.files == ["name.bin"])
    }
}
