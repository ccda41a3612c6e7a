import Glibc
import Synchronization
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

/// The root or the state folder is replaced while the store is open. (A file system that is mounted over the root is
/// tested end to end: mounting needs root.)
@Suite struct ReopeningTests {
    private let site: Site
    private let id: UploadID
    private let bytes = content(40)
    private let notices = Collected<String>()

    init() throws {
        site = try Site()
        id = try uploadID()
        try site.folder.makeFolder("root")
    }

    private func store() throws -> ReopeningStore {
        let observe: StoreObserver = { [notices] event in
            if case .notice(let text) = event { notices.add(text) }
        }
        return try ReopeningStore(path: site.folder.path + "/root", observe: observe) {
            [site] root throws(StoreError) in
            try LocalStore(
                root: root, boot: BootID(low: 1, high: 0), now: { site.time.load(ordering: .relaxed) },
                observe: observe)
        }
    }

    private var chunks: [Chunk] { Chunk.all(of: bytes.count, size: 16) }

    private func isReplaced(_ work: () throws -> Void) -> Bool {
        do { try work() } catch StoreError.replaced { return true } catch {}
        return false
    }

    /// Removes everything in a folder, and the folder.
    private func removeFolder(_ name: String) throws {
        for each in site.folder.names(in: name) {
            if unlink("\(site.folder.path)/\(name)/\(each)") != 0 { try removeFolder("\(name)/\(each)") }
        }
        try #require(rmdir("\(site.folder.path)/\(name)") == 0)
    }

    @Test func `An upload that begins after the root was moved and made anew goes to the new one`() throws {
        let store = try store()
        try store.sendAll(bytes, as: id)
        try site.folder.move("root", to: "old")
        try site.folder.makeFolder("root")
        let other = try uploadID("other", "other.bin")
        #expect(try store.sendAll(bytes, as: other) == .completed(path: "other.bin"))
        #expect(try site.folder.read("root/other.bin") == bytes)
        #expect(site.folder.names(in: "old") == [".resumabled", "name.bin"])
        #expect(notices.all.count == 1)
        try store.checkWritable()
    }

    @Test func `An upload under way in a root that was moved is not completed in either`() throws {
        let store = try store()
        try store.send(chunks[0], of: bytes, as: id)
        try site.folder.move("root", to: "old")
        try site.folder.makeFolder("root")
        // Its folder is open, so this chunk may still be taken.
        try store.send(chunks[1], of: bytes, as: id)
        #expect(isReplaced { try store.send(chunks[2], of: bytes, as: id) })
        #expect(site.folder.names(in: "old") == [".resumabled"])
        // From here on the new root is open. The client learns that its chunks are gone.
        try store.checkWritable()
        do {
            try store.send(chunks[2], of: bytes, as: id)
            Issue.record("a chunk was taken as if the others were held")
        } catch StoreError.untrusted {}
        #expect(try store.sendAll(bytes, as: id) == .completed(path: "name.bin"))
        #expect(try site.folder.read("root/name.bin") == bytes)
        #expect(site.folder.names(in: "old") == [".resumabled"])
    }

    @Test func `A test tells that nothing is held in a new root, and the upload begins anew`() throws {
        let store = try store()
        try store.send(chunks[0], of: bytes, as: id)
        try site.folder.move("root", to: "old")
        try site.folder.makeFolder("root")
        try store.checkWritable()
        #expect(try !store.isHeld(chunks[0], of: id))
        #expect(try store.sendAll(bytes, as: id) == .completed(path: "name.bin"))
    }

    @Test func `An upload goes on when the folder that was opened comes back`() throws {
        let store = try store()
        try store.send(chunks[0], of: bytes, as: id)
        try site.folder.move("root", to: "old")
        #expect(isReplaced { try store.checkWritable() })
        #expect(isReplaced { try store.send(chunks[1], of: bytes, as: id) })
        #expect(isReplaced { _ = try store.status(of: id) })
        // The store does not make the root: a folder may be about to be moved there.
        #expect(site.folder.names() == ["old"])
        #expect(notices.all.count == 1)
        try site.folder.move("old", to: "root")
        try store.checkWritable()
        #expect(try store.isHeld(chunks[0], of: id))
        try store.send(chunks[1], of: bytes, as: id)
        #expect(try store.send(chunks[2], of: bytes, as: id) == .completed(path: "name.bin"))
        #expect(notices.all.count == 2)
    }

    @Test func `A removed root is opened once it was made again`() throws {
        let store = try store()
        try store.sendAll(bytes, as: id)
        try removeFolder("root")
        #expect(isReplaced { try store.sendAll(bytes, as: id) })
        try site.folder.makeFolder("root")
        try store.checkWritable()
        #expect(try store.sendAll(bytes, as: id) == .completed(path: "name.bin"))
        #expect(site.folder.names(in: "root") == [".resumabled", "name.bin"])
    }

    @Test func `A removed state folder is made again`() throws {
        let store = try store()
        try store.sendAll(bytes, as: id)
        try removeFolder("root/.resumabled")
        let other = try uploadID("other", "other.bin")
        #expect(try store.sendAll(bytes, as: other) == .completed(path: "other.bin"))
        try removeFolder("root/.resumabled")
        try store.checkWritable()
        #expect(site.folder.names(in: "root") == [".resumabled", "name.bin", "other.bin"])
    }

    @Test func `An upload that was complete in a folder is finished after the folder was opened`() throws {
        // It lacks only its publication: its last chunk met a root that had been moved.
        let store = try store()
        try store.send(chunks[0], of: bytes, as: id)
        try store.send(chunks[1], of: bytes, as: id)
        try site.folder.move("root", to: "old")
        try site.folder.makeFolder("root")
        #expect(isReplaced { try store.send(chunks[2], of: bytes, as: id) })
        try store.checkWritable()
        try removeFolder("root")
        try site.folder.move("old", to: "root")
        try store.checkWritable()
        store.finishWaiting()
        #expect(try site.folder.read("root/name.bin") == bytes)
    }

    @Test func `Events are those of the folder that is open`() throws {
        let observe: StoreObserver = { _ in }
        let store = try ReopeningStore(path: site.folder.path + "/root", observe: observe) {
            [site] root throws(StoreError) in
            try LocalStore(
                root: root, boot: BootID(low: 1, high: 0), settings: StoreSettings(recipients: Recipients(rawValue: 1)),
                now: { site.time.load(ordering: .relaxed) }, observe: observe)
        }
        let outbox = store.outbox
        try store.sendAll(bytes, as: id)
        #expect(try outbox.allEvents().map(\.upload.path) == ["name.bin"])
        try site.folder.move("root", to: "old")
        try site.folder.makeFolder("root")
        try store.checkWritable()
        #expect(try outbox.allEvents().isEmpty)
        try store.sendAll(bytes, as: try uploadID("other", "other.bin"))
        #expect(try outbox.allEvents().map(\.upload.path) == ["other.bin"])
    }
}
