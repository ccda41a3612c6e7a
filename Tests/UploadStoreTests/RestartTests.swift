import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// The state that a process finds after another one has ended, crashed, or was lost in a power cut (PROTOCOL.md,
// Promises). The crash points are files written by hand in the journal's format.

@Suite struct RestartTests {
    let site: Site
    let id: UploadID
    let bytes = content(50)
    let chunks = Chunk.all(of: 50, size: 10)

    init() throws {
        site = try Site()
        id = try uploadID()
        // Creates the store's own folder.
        _ = try site.store()
    }

    // MARK: After a process

    @Test("A second process finds all chunks that the first acknowledged")
    func secondProcess() throws {
        let first = try site.store()
        for index in [0, 1, 3] { try first.send(chunks[index], of: bytes, as: id) }
        let second = try site.store()
        #expect(try second.held(id) == [ByteRange(0..<20), ByteRange(30..<40)])
        #expect(second.recover().isEmpty)
        try second.send(chunks[2], of: bytes, as: id)
        #expect(try second.send(chunks[4], of: bytes, as: id) == .completed(path: "name.bin"))
        #expect(try first.status(of: id)?.complete == true)
        #expect(try first.send(chunks[4], of: bytes, as: id) == .duplicate)
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("If the data file is removed by hand, nothing is held, including chunks being written")
    func removedByHand() throws {
        let store = try site.store()
        for index in [0, 1] { try store.send(chunks[index], of: bytes, as: id) }
        let writer = try store.receive(upload: id, size: 50, layout: chunks[2].layout())
        try writer.write(bytes[chunks[2].range])
        try site.folder.remove(site.dataPath(id))
        #expect(throws: StoreError.busy) { try writer.commit() }
        for index in [3, 4] { try store.send(chunks[index], of: bytes, as: id) }
        #expect(try store.held(id) == [ByteRange(30..<50)])
        for index in [0, 1] { try store.send(chunks[index], of: bytes, as: id) }
        #expect(try store.send(chunks[2], of: bytes, as: id) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("A chunk whose writer died is not held", arguments: [0, 1, 9, 10])
    func diedWriting(count: Int) throws {
        let first = try site.store()
        try first.send(chunks[1], of: bytes, as: id)
        // The bytes are in the file, but no record says so.
        let writer = try first.receive(upload: id, size: 50, layout: chunks[0].layout())
        try writer.write(bytes[..<count])
        let second = try site.store()
        #expect(try second.held(id) == [ByteRange(10..<20)])
        withExtendedLifetime(writer) {}
    }

    @Test("A half-written record doesn't count, and its chunk can be sent again")
    func halfRecord() throws {
        let first = try site.store()
        for index in [0, 1] { try first.send(chunks[index], of: bytes, as: id) }
        let journal = try site.folder.read(site.journalPath(id))
        for cut in 1..<32 {
            try site.folder.write(journal.dropLast(cut), to: site.journalPath(id))
            #expect(try site.store().held(id) == [ByteRange(0..<10)])
        }
        let second = try site.store()
        #expect(try second.sendAll(bytes, as: id, chunkSize: 10) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test(
        "An upload whose beginning was interrupted is begun again",
        arguments: [
            [UInt8](), JournalHeader.magic, [UInt8](repeating: 0, count: 4096), content(100),
            JournalFormatTests.headerBytes,
        ])
    func halfMade(journal: [UInt8]) throws {
        try site.folder.write(journal, to: site.journalPath(id))
        let store = try site.store(boot: 2)
        #expect(store.recover().isEmpty)
        #expect(try store.status(of: id) == nil)
        #expect(try store.send(chunks[1], of: bytes, as: id) == .stored)
        #expect(try store.held(id) == [ByteRange(10..<20)])
        #expect(try store.sendAll(bytes, as: id, chunkSize: 10) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("A data file without a journal is ignored")
    func dataAlone() throws {
        let data = ".resumabled/" + UploadFiles(key: UploadKey(id), nonce: 4711).data
        try site.folder.write(content(80, seed: 3), to: data)
        let store = try site.store()
        #expect(try store.status(of: id) == nil)
        #expect(try store.sendAll(bytes, as: id) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("A journal of another upload is not used")
    func foreignJournal() throws {
        let other = try uploadID("other", "other.bin")
        let store = try site.store()
        try store.send(chunks[0], of: bytes, as: other)
        try site.folder.move(site.journalPath(other), to: site.journalPath(id))
        #expect(throws: StoreError.self) { try site.store().status(of: id) }
        #expect(throws: StoreError.self) { try site.store().sendAll(bytes, as: id) }
        #expect(site.files.isEmpty)
    }

    @Test("An upload that the previous release has begun goes on where it was", arguments: [1, 2] as [UInt64])
    func previousRelease(boot: UInt64) throws {
        // That release wrote no `syncing` and no `synced`.
        let held = try heldAll()
        try write(records: [.boot(BootID(low: 1, high: 0)), held[0], .durable(records: 2), held[2]])
        try site.folder.write(bytes, to: site.dataPath(id))
        let store = try site.store(boot: boot)
        #expect(try store.held(id) == [ByteRange(0..<10), ByteRange(20..<30)])
        for index in [1, 3] { try store.send(chunks[index], of: bytes, as: id) }
        #expect(try store.send(chunks[4], of: bytes, as: id) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    // MARK: After a power cut

    @Test("Ranges whose bytes did not reach the disk are missing; the others are held")
    func powerCut() throws {
        let before = try site.store(boot: 1)
        for index in [0, 1, 3] { try before.send(chunks[index], of: bytes, as: id) }
        var data = try site.folder.read(site.dataPath(id))
        data[14] ^= 1
        try site.folder.write(data, to: site.dataPath(id))
        #expect(try site.store(boot: 1).held(id) == [ByteRange(0..<20), ByteRange(30..<40)])

        let after = try site.store(boot: 2)
        #expect(try after.held(id) == [ByteRange(0..<10), ByteRange(30..<40)])
        // The result of the check is kept.
        #expect(try site.store(boot: 2).held(id) == [ByteRange(0..<10), ByteRange(30..<40)])
        for index in [1, 2] { try after.send(chunks[index], of: bytes, as: id) }
        #expect(try after.send(chunks[4], of: bytes, as: id) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("If the data file is missing, or shorter than the journal says, the client has to send the rest")
    func shortData() throws {
        let before = try site.store(boot: 1)
        for index in [0, 1, 3] { try before.send(chunks[index], of: bytes, as: id) }
        let data = try site.folder.read(site.dataPath(id))
        try site.folder.write(Array(data[..<19]), to: site.dataPath(id))
        #expect(try site.store(boot: 2).held(id) == [ByteRange(0..<10)])
        try site.folder.remove(site.dataPath(id))
        // Checked ranges are synced, and not doubtful any more: only another program can remove the file now. That
        // doesn't prevent a new upload of the same name.
        try site.folder.write([], to: site.journalPath(id))
        let after = try site.store(boot: 3)
        #expect(try after.status(of: id) == nil)
        #expect(try after.sendAll(bytes, as: id) == .completed(path: "name.bin"))
    }

    @Test("A complete upload that lost a range in a power cut is published only after the range was sent again")
    func completeButLost() throws {
        try write(records: [.boot(BootID(low: 1, high: 0))] + heldAll())
        var data = bytes
        data[25] ^= 0x80
        try site.folder.write(data, to: site.dataPath(id))
        let after = try site.store(boot: 2)
        #expect(after.recover().isEmpty)
        #expect(site.files.isEmpty)
        #expect(try after.held(id) == [ByteRange(0..<20), ByteRange(30..<50)])
        #expect(try after.send(chunks[2], of: bytes, as: id) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("Ranges that were synced are not read again")
    func durable() throws {
        // The data differ from their checksums, but the journal calls them durable: only later ranges are checked.
        let held = try heldAll()
        try write(records: [.boot(BootID(low: 1, high: 0)), held[0], .durable(records: 2), held[1]])
        try site.folder.write([UInt8](repeating: 0xee, count: 50), to: site.dataPath(id))
        #expect(try site.store(boot: 2).held(id) == [ByteRange(0..<10)])
    }

    // MARK: In the middle of publishing

    private func heldAll() throws -> [JournalRecord] {
        try chunks.map { chunk in
            let checksum = bytes[chunk.range].withUnsafeBytes { Checksum.of($0) }
            return .held(try ByteRange(chunk.range), checksum: checksum)
        }
    }

    private func write(records: [JournalRecord]) throws {
        let header = JournalHeader(
            size: 50, chunkSize: 10, nonce: 4711, begun: 1_699_999_000,
            texts: [id.identifier, id.filename.text, ""])
        try site.folder.write(header.encoded + records.encoded(nonce: 4711), to: site.journalPath(id))
    }

    /// Writes journal and data of a complete upload, at one of the steps of publishing.
    private func crash(_ records: (_ inode: UInt64) -> [JournalRecord]) throws {
        let data = ".resumabled/" + UploadFiles(key: UploadKey(id), nonce: 4711).data
        try site.folder.write(bytes, to: data)
        let inode = try site.folder.inode(data)
        try write(records: [.boot(BootID(low: 1, high: 0))] + heldAll() + records(inode))
    }

    enum Finisher: CaseIterable { case recover, status, send }

    private func finish(_ finisher: Finisher, boot: UInt64) throws -> LocalStore {
        let store = try site.store(boot: boot)
        switch finisher {
        case .recover: #expect(store.recover().isEmpty)
        case .status: #expect(try store.status(of: id)?.complete == true)
        case .send:
            let effect = try store.send(chunks[0], of: bytes, as: id)
            #expect(effect == .completed(path: "name.bin") || effect == .duplicate)
        }
        return store
    }

    private func expectPublishedOnce(as name: String = "name.bin", _ store: LocalStore) throws {
        #expect(site.files == [name])
        #expect(try site.folder.read(name) == bytes)
        #expect(site.state == [UploadKey(id).journal])
        #expect(try store.status(of: id)?.complete == true)
        for chunk in chunks { #expect(try store.send(chunk, of: bytes, as: id) == .duplicate) }
        #expect(site.files == [name])
    }

    @Test(
        "Complete, but publishing has not begun: it is published", arguments: Finisher.allCases, [1, 2])
    func beforePublishing(finisher: Finisher, boot: UInt64) throws {
        try crash { _ in [] }
        try expectPublishedOnce(finish(finisher, boot: boot))
    }

    @Test("Announced, but not yet renamed: it is published", arguments: Finisher.allCases, [1, 2])
    func beforeRename(finisher: Finisher, boot: UInt64) throws {
        try crash { [.publishing(number: 0, inode: $0)] }
        try expectPublishedOnce(finish(finisher, boot: boot))
    }

    @Test("Renamed, but not recorded: it is found complete", arguments: Finisher.allCases, [1, 2])
    func afterRename(finisher: Finisher, boot: UInt64) throws {
        try crash { [.publishing(number: 0, inode: $0)] }
        try site.folder.move(site.dataPath(id), to: "name.bin")
        try expectPublishedOnce(finish(finisher, boot: boot))
    }

    @Test("Renamed to a later number because the first was taken: it is found complete", arguments: [1, 2])
    func afterLaterRename(boot: UInt64) throws {
        try crash { [.publishing(number: 0, inode: $0), .publishing(number: 1, inode: $0)] }
        try site.folder.move(site.dataPath(id), to: "name (1).bin")
        let store = try finish(.status, boot: boot)
        try expectPublishedOnce(as: "name (1).bin", store)
        site.wait(seconds: 1_000_000)
        // The file has the number that was announced.
        for chunk in chunks { #expect(try store.send(chunk, of: bytes, as: id) == .duplicate) }
        #expect(site.files == ["name (1).bin"])
    }

    @Test("Announced, but the name was taken meanwhile: it gets the next number")
    func takenMeanwhile() throws {
        try crash { [.publishing(number: 0, inode: $0)] }
        try site.folder.write([1], to: "name.bin")
        let store = try site.store()
        #expect(store.recover().isEmpty)
        #expect(site.files == ["name (1).bin", "name.bin"])
        #expect(try site.folder.read("name.bin") == [1])
        #expect(try site.folder.read("name (1).bin") == bytes)
    }

    @Test("Published: another process changes nothing", arguments: [1, 2])
    func afterPublishing(boot: UInt64) throws {
        try crash { [.publishing(number: 0, inode: $0), .published(number: 0, inode: $0, time: 1_700_000_000)] }
        try site.folder.move(site.dataPath(id), to: "name.bin")
        let journal = try site.folder.read(site.journalPath(id))
        let store = try finish(.recover, boot: boot)
        #expect(try site.folder.read(site.journalPath(id)) == journal)
        try expectPublishedOnce(store)
    }

    @Test("Recovery goes on after an upload that cannot be finished")
    func recoverTheRest() throws {
        try crash { _ in [] }
        try site.folder.makeFolder(".resumabled/broken.journal")
        try site.folder.write(content(500), to: ".resumabled/garbage.journal")
        #expect(try site.store().recover().count == 1)
        #expect(try site.folder.read("name.bin") == bytes)
    }
}
