import Glibc
import Synchronization
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// Two files under one identity (PROTOCOL.md, How bytes are matched to files): no byte of either is lost, and they never
// mix.

@Suite struct IdentityTests {
    let site: Site
    let store: LocalStore
    let id: UploadID
    let first = content(50)

    init() throws {
        site = try Site()
        // The files' times are the kernel's.
        site.time.store(UInt64(time(nil)), ordering: .relaxed)
        store = try site.store()
        id = try uploadID()
    }

    /// The first file with other bytes in those chunks of ten bytes.
    private func changed(_ chunks: [Int]) -> [UInt8] {
        var bytes = first
        for chunk in chunks { bytes.replaceSubrange(chunk * 10..<(chunk + 1) * 10, with: content(10, seed: 9)) }
        return bytes
    }

    private func chunks(_ order: [Int] = Array(0..<5)) -> [Chunk] {
        order.map { Chunk.all(of: 50, size: 10)[$0] }
    }

    @Test(
        "Another file under the identity of a finished one becomes a file of its own, whichever chunks differ",
        arguments: [[0], [1], [4], [0, 4], [1, 3], [0, 1, 2, 3, 4]])
    func otherBytes(differing: [Int]) throws {
        try store.sendAll(first, as: id, chunkSize: 10)
        let second = changed(differing)
        for chunk in chunks() { try store.send(chunk, of: second, as: id) }
        #expect(site.files == ["name (1).bin", "name.bin"])
        #expect(try site.folder.read("name.bin") == first)
        #expect(try site.folder.read("name (1).bin") == second)
    }

    @Test("A file of one chunk is told from another by its bytes")
    func oneChunk() throws {
        #expect(try store.sendAll(first, as: id, chunkSize: 100) == .completed(path: "name.bin"))
        #expect(try store.sendAll(changed([4]), as: id, chunkSize: 100) == .completed(path: "name (1).bin"))
        #expect(try store.sendAll(changed([4]), as: id, chunkSize: 100) == .duplicate)
        #expect(site.files == ["name (1).bin", "name.bin"])
    }

    @Test("The same file, sent again in full, leaves one file", arguments: [10, 7, 100])
    func sameAgain(chunkSize: Int) throws {
        try store.sendAll(first, as: id, chunkSize: 10)
        site.wait(seconds: 100_000)
        let again = try site.store(boot: 2)
        #expect(try again.status(of: id) == nil)
        #expect(try again.sendAll(first, as: id, chunkSize: chunkSize) == .duplicate)
        #expect(site.files == ["name.bin"])
        #expect(site.state == [UploadKey(id).journal])
    }

    @Test("With `replace` another file takes the place of the finished one")
    func replace() throws {
        let store = try site.store(StoreSettings(onConflict: .replace))
        try store.sendAll(first, as: id, chunkSize: 10)
        let second = changed([2])
        for chunk in chunks() { try store.send(chunk, of: second, as: id) }
        #expect(site.files == ["name.bin"])
        #expect(try site.folder.read("name.bin") == second)
    }

    @Test("With `refuse` another file is refused, and the finished one stays")
    func refuse() throws {
        let store = try site.store(StoreSettings(onConflict: .refuse))
        try store.sendAll(first, as: id, chunkSize: 10)
        #expect(throws: StoreError.nameTaken) { try store.sendAll(changed([0]), as: id, chunkSize: 10) }
        #expect(try store.sendAll(first, as: id, chunkSize: 10) == .duplicate)
        #expect(site.files == ["name.bin"])
    }

    @Test("What was confirmed before the first difference is in the new file, also after a restart", arguments: [1, 2])
    func restart(boot: UInt64) throws {
        try store.sendAll(first, as: id, chunkSize: 10)
        let second = changed([3])
        for chunk in chunks([0, 1]) { #expect(try store.send(chunk, of: second, as: id) == .duplicate) }
        let next = try site.store(boot: boot)
        for chunk in chunks([2, 3]) { try next.send(chunk, of: second, as: id) }
        let last = try site.store(boot: boot)
        #expect(try last.send(chunks([4])[0], of: second, as: id) == .completed(path: "name (1).bin"))
        #expect(try site.folder.read("name (1).bin") == second)
    }

    @Test("A late duplicate of the first file never gets into the second")
    func noMix() throws {
        try store.sendAll(first, as: id, chunkSize: 10)
        #expect(try store.send(chunks([4])[0], of: first, as: id) == .duplicate)
        let second = changed([0, 1, 2, 3, 4])
        for chunk in chunks([0, 1, 2, 3]) { #expect(try store.send(chunk, of: second, as: id) == .stored) }
        #expect(try store.isHeld(chunks([4])[0], of: id) == false)
        #expect(try store.send(chunks([4])[0], of: second, as: id) == .completed(path: "name (1).bin"))
        #expect(try site.folder.read("name (1).bin") == second)
    }

    @Test(
        "Confirmed chunks behind the first difference count once nothing has come for a minute",
        arguments: [false, true])
    func provisional(restarted: Bool) throws {
        try store.sendAll(first, as: id, chunkSize: 10)
        let second = changed([1])
        for chunk in chunks([4, 3, 0]) { #expect(try store.send(chunk, of: second, as: id) == .duplicate) }
        for chunk in chunks([1, 2]) { #expect(try store.send(chunk, of: second, as: id) == .stored) }
        var next = store
        if restarted {
            next = try site.store(boot: 2)
            #expect(next.recover().isEmpty)
        }
        next.finishWaiting()
        #expect(site.files == ["name.bin"])
        site.wait(seconds: LocalStore.provisionalSeconds + 10)
        next.finishWaiting()
        #expect(site.files == ["name (1).bin", "name.bin"])
        #expect(try site.folder.read("name (1).bin") == second)
    }

    @Test("Confirmed chunks count a minute after the clock was set back by a year")
    func provisionalWithClockSetBack() throws {
        try store.sendAll(first, as: id, chunkSize: 10)
        let second = changed([1])
        for chunk in chunks([4, 3, 0]) { try store.send(chunk, of: second, as: id) }
        for chunk in chunks([1, 2]) { try store.send(chunk, of: second, as: id) }
        site.time.subtract(365 * 86_400, ordering: .relaxed)
        store.finishWaiting()
        site.wait(seconds: LocalStore.provisionalSeconds - 1)
        store.finishWaiting()
        #expect(site.files == ["name.bin"])
        site.wait(seconds: 1)
        store.finishWaiting()
        #expect(site.files == ["name (1).bin", "name.bin"])
    }

    @Test("What is provisional stays provisional in an upload that is salvaged")
    func provisionalAndSalvaged() throws {
        try store.sendAll(first, as: id, chunkSize: 10)
        for chunk in chunks([4, 3]) { #expect(try store.send(chunk, of: first, as: id) == .duplicate) }
        let second = changed([0, 3])
        try store.send(chunks([0])[0], of: second, as: id)
        try store.dieInSync(of: id)

        let next = try site.store()
        #expect(try next.held(id) == [try ByteRange(0..<10)])
        for chunk in chunks([1, 2, 3]) { #expect(try next.send(chunk, of: second, as: id) == .stored) }
        site.wait(seconds: 200)
        next.finishWaiting()
        #expect(try site.folder.read("name (1).bin") == second)
        #expect(try site.folder.read("name.bin") == first)
    }

    @Test("Chunks that are compared at the same time end in the same new file")
    func atOnce() throws {
        try store.sendAll(first, as: id, chunkSize: 10)
        let second = changed([1])
        let writers = try chunks().map { try ($0, store.receive(upload: id, size: 50, layout: $0.layout())) }
        for (chunk, writer) in writers { try writer.write(second[chunk.range]) }
        for (_, writer) in writers { _ = try writer.commit() }
        #expect(try site.folder.read("name (1).bin") == second)
    }

    // MARK: A file that is gone

    @Test("A file that was moved away may be sent anew at once", arguments: [10, 100])
    func moved(chunkSize: Int) throws {
        try store.sendAll(first, as: id, chunkSize: chunkSize)
        try site.folder.move("name.bin", to: "elsewhere")
        #expect(try store.status(of: id) == nil)
        #expect(try store.sendAll(first, as: id, chunkSize: chunkSize) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == first)
    }

    @Test("A file that is moved away while it is sent again is whole")
    func movedMeanwhile() throws {
        try store.sendAll(first, as: id, chunkSize: 10)
        for chunk in chunks([0, 1]) { #expect(try store.send(chunk, of: first, as: id) == .duplicate) }
        try site.folder.move("name.bin", to: "elsewhere")
        for chunk in chunks([2, 3]) { #expect(try store.send(chunk, of: first, as: id) == .stored) }
        #expect(try store.send(chunks([4])[0], of: first, as: id) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == first)
    }

    @Test("A client is told to begin anew when what it was told to be held is gone")
    func gone() throws {
        try store.sendAll(first, as: id, chunkSize: 10)
        for chunk in chunks([0, 1]) { #expect(try store.send(chunk, of: first, as: id) == .duplicate) }
        try site.folder.remove("name.bin")
        let next = try site.store()
        #expect(throws: StoreError.self) { try next.send(chunks([2])[0], of: first, as: id) }
        #expect(try next.sendAll(first, as: id, chunkSize: 10) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == first)
    }

    @Test("A file that the site has changed in its place is not taken for the client's")
    func changedInPlace() throws {
        try store.sendAll(first, as: id, chunkSize: 10)
        try site.folder.write(changed([2]), to: "name.bin")
        for chunk in chunks() { try store.send(chunk, of: first, as: id) }
        #expect(try site.folder.read("name (1).bin") == first)
        #expect(try site.folder.read("name.bin") == changed([2]))
    }

    // MARK: Tests

    private func test(_ chunk: Chunk, modified: UInt64?) throws -> Bool {
        try store.status(of: request(chunk, modified))?.complete == true
    }

    private func request(_ chunk: Chunk, _ modified: UInt64?) throws -> ChunkRequest {
        let place = try ChunkRequest.Place.sized(
            total: UInt64(chunk.total), chunkSize: UInt64(chunk.chunkSize), chunk.layout())
        var request = ChunkRequest(upload: id, number: UInt64(chunk.number), place: place)
        request.lastModified = modified
        return request
    }

    @discardableResult
    private func send(_ chunk: Chunk, of bytes: [UInt8], modified: UInt64?) throws -> Receipt.Effect {
        let writer = try store.receive(request(chunk, modified))
        try writer.write(bytes[chunk.range])
        return try writer.commit().effect
    }

    @Test("Without a modification time a finished upload answers tests for a quarter of an hour")
    func window() throws {
        try store.sendAll(first, as: id, chunkSize: 10)
        let chunk = chunks([2])[0]
        site.wait(seconds: 15 * 60 - 1)
        #expect(try test(chunk, modified: nil))
        #expect(try test(chunk, modified: 5))
        site.wait(seconds: 1)
        #expect(try !test(chunk, modified: nil))
        #expect(try !test(chunk, modified: 5))
        site.time.subtract(365 * 86_400, ordering: .relaxed)
        #expect(try !test(chunk, modified: nil))
    }

    @Test("A test of a file of one chunk says that it is missing: sending it costs no more")
    func windowOfOneChunk() throws {
        try store.sendAll(first, as: id, chunkSize: 100)
        #expect(try !test(Chunk.all(of: 50, size: 100)[0], modified: nil))
    }

    @Test("With the same modification time a finished upload answers until it expires, with another one never")
    func modified() throws {
        for chunk in chunks() { try send(chunk, of: first, modified: 1_700_000_000_123) }
        site.wait(seconds: 100_000)
        let chunk = chunks([2])[0]
        #expect(try test(chunk, modified: 1_700_000_000_123))
        #expect(try !test(chunk, modified: 1_700_000_000_124))
        #expect(try !test(chunk, modified: nil))
    }

    @Test("A changed file does not mix with its own unfinished upload")
    func modifiedUnderWay() throws {
        for chunk in chunks([0, 1, 2]) { try send(chunk, of: first, modified: 1) }
        let second = changed([0, 1, 2, 3, 4])
        #expect(try store.status(of: request(chunks([0])[0], 2)) == nil)
        #expect(throws: StoreError.self) { try send(chunks([3])[0], of: second, modified: 2) }
        // The first version may go on meanwhile.
        try send(chunks([3])[0], of: first, modified: 1)
        site.wait(seconds: LocalStore.quietSeconds + 10)
        for chunk in chunks([0, 1, 2, 3]) { #expect(try send(chunk, of: second, modified: 2) == .stored) }
        #expect(try send(chunks([4])[0], of: second, modified: 2) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == second)
    }

    @Test("An upload that was begun without a modification time goes on with one")
    func modifiedLearnt() throws {
        for chunk in chunks([0, 1, 2, 3]) { try send(chunk, of: first, modified: nil) }
        #expect(try store.status(of: request(chunks([0])[0], 7))?.held.ranges == [ByteRange(0..<40)])
        #expect(try send(chunks([4])[0], of: first, modified: 7) == .completed(path: "name.bin"))
    }

    // MARK: Paths

    private func send(_ bytes: [UInt8], path: String, to store: LocalStore) throws -> Receipt.Effect {
        let chunk = Chunk.all(of: bytes.count, size: 100)[0]
        let writer = try store.receive(pathRequest(chunk, path))
        try writer.write(bytes)
        return try writer.commit().effect
    }

    private func pathRequest(_ chunk: Chunk, _ path: String) throws -> ChunkRequest {
        let relative = try RelativePath(path, parameter: "")
        var upload = id
        upload.path = relative
        let place = try ChunkRequest.Place.sized(
            total: UInt64(chunk.total), chunkSize: UInt64(chunk.chunkSize), chunk.layout())
        return ChunkRequest(upload: upload, number: UInt64(chunk.number), place: place, relativePath: relative)
    }

    @Test("In the tree layout the path belongs to the identity", arguments: [50, 40])
    func paths(size: Int) throws {
        let tree = try site.store(StoreSettings(layout: .tree))
        #expect(try send(first, path: "照片/name.bin", to: tree) == .completed(path: "照片/name.bin"))
        let second = content(size, seed: 3)
        #expect(try send(second, path: "视频/name.bin", to: tree) == .completed(path: "视频/name.bin"))
        #expect(try send(second, path: "视频/name.bin", to: tree) == .duplicate)
        #expect(try site.folder.read("照片/name.bin") == first)
        #expect(try site.folder.read("视频/name.bin") == second)
    }

    @Test("In the other layouts the path decides nothing")
    func pathsIgnored() throws {
        #expect(try send(first, path: "a/name.bin", to: store) == .completed(path: "name.bin"))
        #expect(try send(first, path: "b/name.bin", to: store) == .duplicate)
        #expect(site.files == ["name.bin"])
    }

    @Test("An upload that was begun before paths belonged to the identity goes on under its path, and no other")
    func olderPaths() throws {
        let tree = try site.store(StoreSettings(layout: .tree))
        let all = Chunk.all(of: 50, size: 10)
        // As the release before wrote it: the path is in the header, and not in the key.
        var older = try pathRequest(all[0], "a/name.bin")
        older.upload.path = nil
        let writer = try tree.receive(older)
        try writer.write(first[0..<10])
        #expect(try writer.commit().effect == .stored)
        #expect(try tree.status(of: pathRequest(all[1], "a/name.bin"))?.held.ranges == [ByteRange(0..<10)])
        #expect(try tree.status(of: pathRequest(all[1], "b/name.bin")) == nil)
        for chunk in all[1...] {
            let writer = try tree.receive(pathRequest(chunk, "a/name.bin"))
            try writer.write(first[chunk.range])
            _ = try writer.commit()
        }
        #expect(try site.folder.read("a/name.bin") == first)
    }
}
