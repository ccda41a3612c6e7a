import Glibc
import Synchronization
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// The events that an observer gets, and how often.

@Suite struct StoreEventTests {
    let site: Site
    let id: UploadID
    let bytes = content(30)
    let chunks = Chunk.all(of: 30, size: 10)
    let events = Collected<StoreEvent>()

    init() throws {
        site = try Site()
        id = try uploadID()
        site.time.store(UInt64(time(nil)), ordering: .relaxed)
    }

    /// The events so far as words.
    private var told: [String] {
        events.all.map { event in
            switch event {
            case .begun: "begun"
            case .finished(let upload): "finished \(upload.path ?? "nowhere")"
            case .received(let upload): "received \(upload.path ?? "nowhere")"
            case .removed(_, let cause): "removed \(cause)"
            case .forgotten: "forgotten"
            case .recovered(_, let lostRanges): "recovered without \(lostRanges)"
            case .scattered: "scattered"
            case .notice: "notice"
            }
        }
    }

    private func store(boot: UInt64 = 1, _ settings: StoreSettings = StoreSettings()) throws -> LocalStore {
        try site.store(boot: boot, settings, observe: events.add)
    }

    @Test("An upload begins once and finishes once, whatever is sent again")
    func onceEach() throws {
        let store = try store()
        for chunk in chunks + chunks { try store.send(chunk, of: bytes, as: id) }
        #expect(told == ["begun", "finished name.bin"])
        guard case .finished(let upload) = events.all[1] else { return }
        #expect(upload.size == 30)
        #expect(upload.id == id)
        #expect(upload.finished == site.time.load(ordering: .relaxed))
    }

    @Test("A file that comes in one chunk is received once, whatever is sent again")
    func oneChunk() throws {
        let store = try store()
        for _ in 0..<3 { try store.sendAll(bytes, as: id, chunkSize: 100) }
        #expect(told == ["received name.bin"])
        guard case .received(let upload) = events.all[0] else { return }
        #expect((upload.size, upload.held, upload.id) == (30, 30, id))
        #expect(upload.finished == site.time.load(ordering: .relaxed))
    }

    @Test("If many clients send the last chunk, exactly one finishes the file")
    func together() throws {
        let store = try store()
        for chunk in chunks.dropLast() { try store.send(chunk, of: bytes, as: id) }
        try onThreads(16) { [chunks, bytes, id] _ in _ = try? store.send(chunks[2], of: bytes, as: id) }
        #expect(told == ["begun", "finished name.bin"])
    }

    @Test("A complete upload that a process left unpublished is finished by the next process")
    func afterCrash() throws {
        let first = try store()
        for chunk in chunks.dropLast() { try first.send(chunk, of: bytes, as: id) }
        // The last chunk is recorded but the file isn't published: as after a crash between the two.
        let range = try ByteRange(chunks[2].range)
        _ = try first.find(id)?.change { journal throws(FileError) in
            try journal.append([.adopted(range)])
        }
        #expect(told == ["begun"])
        #expect(try store().recover() == [])
        #expect(told == ["begun", "finished name.bin"])
    }

    @Test("Each way of removing an upload has its cause")
    func causes() throws {
        let store = try store(StoreSettings(onSizeChange: .restart, expire: 1000))
        try store.send(chunks[0], of: bytes, as: id)
        _ = try store.remove(id)
        try store.send(chunks[0], of: bytes, as: id)
        site.wait(seconds: 70)
        try store.send(Chunk.all(of: 31, size: 10)[0], of: content(31), as: id)
        site.wait(seconds: 2000)
        _ = store.sweep()
        #expect(
            told == [
                "begun", "removed givenUp", "begun", "removed superseded", "begun", "removed expired",
            ])
    }

    @Test("The record of a finished file is reported as forgotten, not as lost")
    func forgotten() throws {
        let store = try store(StoreSettings(expire: 1000))
        try store.sendAll(bytes, as: id)
        site.wait(seconds: 2000)
        _ = store.sweep()
        #expect(told == ["begun", "finished name.bin", "forgotten"])
    }

    @Test("After a power cut, the observer gets the number of lost ranges")
    func recovered() throws {
        try store().send(chunks[0], of: bytes, as: id)
        try store().send(chunks[1], of: bytes, as: id)
        var damaged = try site.folder.read(site.dataPath(id))
        damaged[12] ^= 1
        try site.folder.write(damaged, to: site.dataPath(id))
        #expect(try store(boot: 2).isHeld(chunks[0], of: id))
        #expect(told == ["begun", "recovered without 1"])
    }

    @Test("An upload whose data was removed by hand is reported as lost")
    func lost() throws {
        let store = try store()
        try store.send(chunks[0], of: bytes, as: id)
        try #require(unlink(site.folder.path + "/" + site.dataPath(id)) == 0)
        try store.send(chunks[1], of: bytes, as: id)
        #expect(told == ["begun", "removed lost", "begun"])
    }
}
