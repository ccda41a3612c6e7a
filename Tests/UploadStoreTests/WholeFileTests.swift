import Glibc
import Synchronization
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// Files that come in one chunk: they have their record themselves, and no journal until a request needs one.

@Suite struct WholeFileTests {
    private let site: Site
    private let store: LocalStore
    private let id: UploadID
    private let bytes = content(30)

    init() throws {
        site = try Site()
        store = try site.store()
        id = try uploadID()
    }

    private func request(_ bytes: [UInt8], modified: UInt64? = 7, metadata: Metadata = Metadata()) throws
        -> ChunkRequest
    {
        let layout = ChunkLayout(offset: 0, length: UInt64(bytes.count))
        return ChunkRequest(
            upload: id, number: 1, place: .sized(total: UInt64(bytes.count), chunkSize: 100, layout),
            lastModified: modified, metadata: metadata)
    }

    @discardableResult
    private func send(
        _ bytes: [UInt8], to store: LocalStore? = nil, modified: UInt64? = 7, metadata: Metadata = Metadata()
    ) throws -> Receipt.Effect {
        let writer = try (store ?? self.store).receive(request(bytes, modified: modified, metadata: metadata))
        try writer.write(bytes, piece: 13)
        return try writer.commit().effect
    }

    /// Removes all journals, as a power cut may.
    private func forgetJournals() throws {
        for name in site.state { try site.folder.remove(".resumabled/" + name) }
    }

    private func open(_ name: String) throws -> any File {
        try #require(try LinuxDirectory.existing(site.folder.path).open(name))
    }

    private func attribute(of name: String) throws -> [UInt8]? { try open(name).attribute() }

    private var hasJournal: Bool { site.state.contains(UploadKey(id).journal) }

    @Test("The file gets its name without a journal, and leaves nothing in the state folder")
    func noJournal() throws {
        #expect(try send(bytes) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
        #expect(site.state == [])
    }

    @Test("The same file, sent again, is a late duplicate, also to another process and after a restart")
    func duplicate() throws {
        try send(bytes)
        #expect(try send(bytes) == .duplicate)
        #expect(hasJournal)
        #expect(try send(bytes, to: site.store()) == .duplicate)
        #expect(site.files == ["name.bin"])
    }

    @Test("Another file under the same identity gets another name, and neither is lost")
    func otherBytes() throws {
        try send(bytes)
        let other = content(30, seed: 2)
        #expect(try send(other, to: site.store()) == .completed(path: "name (1).bin"))
        let larger = content(40, seed: 3)
        #expect(try send(larger, to: site.store()) == .completed(path: "name (2).bin"))
        #expect(try site.folder.read("name.bin") == bytes)
        #expect(try site.folder.read("name (1).bin") == other)
        #expect(try site.folder.read("name (2).bin") == larger)
    }

    @Test("A chunk of another size is compared with the file, too")
    func otherChunks() throws {
        try send(bytes)
        let chunks = Chunk.all(of: 30, size: 10)
        #expect(try store.send(chunks[1], of: bytes, as: id) == .duplicate)
        #expect(site.files == ["name.bin"])
    }

    @Test("A test is answered while the client states the same modification time and the file stands")
    func tests() throws {
        try send(bytes)
        #expect(try store.status(of: request(bytes, modified: 8)) == nil)
        #expect(try store.status(of: request(bytes, modified: nil)) == nil, "one chunk costs no more than a test")
        #expect(try site.store().status(of: request(bytes))?.complete == true)
        try site.folder.remove("name.bin")
        #expect(try store.status(of: request(bytes)) == nil)
        #expect(try send(bytes) == .completed(path: "name.bin"))
    }

    @Test("The record expires with the time of finished uploads; the file stays")
    func expiry() throws {
        let settings = StoreSettings(expire: 1000)
        let store = try site.store(settings)
        try send(bytes, to: store)
        site.wait(seconds: 999)
        #expect(try store.status(of: request(bytes))?.complete == true)
        #expect(store.sweep().removed.isEmpty)
        let another = try site.store(settings)
        try forgetJournals()
        #expect(try another.uploads().count == 1)
        site.wait(seconds: 1)
        #expect(try another.uploads().isEmpty)
        #expect(try another.status(of: request(bytes)) == nil)
        #expect(try send(bytes, to: another) == .completed(path: "name (1).bin"))
    }

    @Test("A copy of the file under its name is not taken for the upload's")
    func copies() throws {
        try send(bytes)
        try site.folder.move("name.bin", to: "moved.bin")
        let root = try LinuxDirectory.existing(site.folder.path)
        let moved = try #require(try root.open("moved.bin"))
        let attribute = try #require(try moved.attribute())
        try site.folder.write(bytes, to: "name.bin")
        #expect(try root.open("name.bin")?.setAttribute(attribute) == true)
        #expect(try store.status(of: request(bytes)) == nil)
        #expect(try store.uploads().isEmpty)
        #expect(try send(bytes) == .completed(path: "name (1).bin"))
    }

    @Test("The record of an older version of the file does not count once another version has followed")
    func thirdVersion() throws {
        try send(bytes)
        #expect(try send(content(40, seed: 2)) == .completed(path: "name (1).bin"))
        #expect(try send(bytes, to: site.store()) == .completed(path: "name (2).bin"))
        #expect(try send(content(30, seed: 3)) == .completed(path: "name (3).bin"))
        #expect(try send(content(40, seed: 4)) == .completed(path: "name (4).bin"))
        #expect(try send(bytes) == .completed(path: "name (5).bin"))
        #expect(try attribute(of: "name.bin") == nil)
    }

    @Test("If the older record cannot be removed, the same bytes are a late duplicate, and other bytes are kept")
    func lastingRecord() throws {
        try send(bytes)
        let attribute = try #require(try attribute(of: "name.bin"))
        try send(content(40, seed: 2))
        #expect(try open("name.bin").setAttribute(attribute))
        #expect(try send(bytes) == .duplicate)
        #expect(try send(content(30, seed: 3)) == .completed(path: "name (2).bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("A sweep that forgets the upload removes the record, too")
    func forgotten() throws {
        let store = try site.store(StoreSettings(expire: 1000))
        try send(bytes, to: store)
        try send(bytes, to: store)
        // The file system's clock is not the store's.
        let journal = try LinuxDirectory.existing(site.folder.path + "/.resumabled").open(UploadKey(id).journal)
        try journal?.touch(site.time.load(ordering: .relaxed))
        site.wait(seconds: 2000)
        #expect(store.sweep().removed.map(\.path) == ["name.bin"])
        #expect(try attribute(of: "name.bin") == nil)
        #expect(try send(bytes, to: site.store()) == .completed(path: "name (1).bin"))
    }

    @Test("An upload that a journal began beside the record ends with the record removed")
    func besideTheRecord() throws {
        try send(bytes)
        let record = try #require(try attribute(of: "name.bin").flatMap { WholeFileRecord($0, name: "name.bin") })
        store.removeRecord(of: record.header, (0, record.inode + 1))
        store.removeRecord(of: record.header, (1, record.inode))
        #expect(try attribute(of: "name.bin") != nil, "another file, or another name")
        var other = record.header
        other.nonce += 1
        store.removeRecord(of: other, (0, record.inode))
        #expect(try attribute(of: "name.bin") != nil, "another upload's")
        store.removeRecord(of: record.header, (0, record.inode))
        #expect(try attribute(of: "name.bin") == nil)
        store.removeRecord(of: record.header, (0, record.inode))
    }

    @Test("A file that was moved away, and back again, has its record")
    func movedBack() throws {
        try send(bytes)
        try site.folder.move("name.bin", to: "elsewhere")
        #expect(try store.status(of: request(bytes)) == nil)
        #expect(try store.uploads().isEmpty)
        try site.folder.move("elsewhere", to: "name.bin")
        #expect(try send(bytes, to: site.store()) == .duplicate)
    }

    @Test("Hard links to the file neither hide its record nor double it")
    func hardLinks() throws {
        try send(bytes)
        #expect(Glibc.link(site.folder.path + "/name.bin", site.folder.path + "/other.bin") == 0)
        #expect(try store.uploads().map(\.path) == ["name.bin"])
        #expect(try store.status(of: request(bytes))?.complete == true)
        try site.folder.remove("name.bin")
        #expect(try store.status(of: request(bytes)) == nil, "the other name is not the upload's")
        #expect(try send(bytes) == .completed(path: "name.bin"))
    }

    @Test("A file that is restored from a copy, with its attribute, is another file")
    func restored() throws {
        try send(bytes)
        let attribute = try #require(try attribute(of: "name.bin"))
        try site.folder.move("name.bin", to: "kept.bin")
        try site.folder.write(bytes, to: "name.bin")
        #expect(try open("name.bin").setAttribute(attribute))
        #expect(try store.status(of: request(bytes)) == nil)
        #expect(try send(bytes) == .completed(path: "name (1).bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("A record that another program planted owes no event, counts for no token, and hides no bytes")
    func planted() throws {
        try site.folder.write(bytes, to: "name.bin")
        let inode = try open("name.bin").status().inode
        func plant(_ tokenID: String) throws {
            let texts = ["id", "name.bin", "", "", "", tokenID, "7"]
            let header = JournalHeader(size: 30, chunkSize: 100, nonce: 1, begun: UInt64(Int64.max), texts: texts)
            let record = WholeFileRecord(
                header: header, id: id, size: 30, checksum: 0, metadata: Metadata(), bootDigest: 9,
                inode: inode, time: UInt64(Int64.max))
            #expect(try open("name.bin").setAttribute(record.encoded))
        }
        try plant("token")
        #expect(try store.uploads().isEmpty)
        try plant("")
        let store = try site.store(StoreSettings(recipients: Recipients(rawValue: 1)))
        #expect(try store.uploads().count == 1)
        #expect(try send(bytes, to: store) == .duplicate, "the bytes are there")
        #expect(try Outbox(store).events().events.isEmpty)
        #expect(try send(content(30, seed: 2), to: store) == .completed(path: "name (1).bin"))
        #expect(try Outbox(store).events().events.map(\.upload.path) == ["name (1).bin"])
    }

    @Test("A list of uploads has the file with its metadata, once, before and after its journal is written")
    func list() throws {
        let metadata = Metadata([.init(name: "album", value: "1")])
        try send(bytes, metadata: metadata)
        let listed = try store.uploads()
        #expect(listed.map(\.path) == ["name.bin"])
        #expect(listed.map(\.metadata) == [metadata])
        #expect(try store.verify().findings == [])
        try send(bytes)
        #expect(try store.uploads().map(\.path) == ["name.bin"])
        #expect(try store.uploadsUnderWay() == [])
    }

    @Test("With recipients of events, with a limit of the token, or with too much metadata the upload has a journal")
    func journal() throws {
        try send(bytes, to: site.store(StoreSettings(recipients: Recipients(rawValue: 1))))
        #expect(hasJournal)
        try forgetJournals()
        try site.folder.remove("name.bin")
        let long = Metadata([.init(name: "note", value: String(repeating: "n", count: 4000))])
        #expect(try send(bytes, to: site.store(), metadata: long) == .completed(path: "name.bin"))
        #expect(hasJournal)
    }

    @Test("A chunk that is broken off, or too short or long, leaves nothing")
    func brokenOff() throws {
        do {
            let writer = try store.receive(request(bytes))
            try writer.write(bytes[..<10])
            #expect(site.state.count == 1)
            #expect(throws: StoreError.self) { try writer.commit() }
        }
        #expect(site.state == [])
        #expect(throws: StoreError.wrongLength(received: 31, lengths: [30])) {
            let writer = try store.receive(request(bytes))
            try writer.write(bytes + [0], piece: 31)
        }
        #expect(site.state == [])
        #expect(site.files == [])
    }

    @Test("Of several requests at once with the same file, one completes it")
    func atOnce() throws {
        let writers = try (0..<3).map { _ in try store.receive(request(bytes)) }
        for writer in writers { try writer.write(bytes) }
        let effects = try writers.map { try $0.commit().effect }
        #expect(effects == [.completed(path: "name.bin"), .duplicate, .duplicate])
        #expect(site.files == ["name.bin"])
    }

    @Test("An upload that was begun with a journal meanwhile goes on, and the file has one name")
    func journalMeanwhile() throws {
        let writer = try store.receive(request(bytes))
        try writer.write(bytes)
        let chunks = Chunk.all(of: 30, size: 10)
        #expect(try store.send(chunks[0], of: bytes, as: id) == .stored)
        #expect(try writer.commit().effect == .completed(path: "name.bin"))
        #expect(site.files == ["name.bin"])
        #expect(try store.send(chunks[2], of: bytes, as: id) == .duplicate)
    }

    @Test("Verification does not report a file that is being received")
    func verification() throws {
        let writer = try store.receive(request(bytes))
        try writer.write(bytes)
        #expect(try site.store().verify().findings == [])
        #expect(try writer.commit().effect == .completed(path: "name.bin"))
    }
}
