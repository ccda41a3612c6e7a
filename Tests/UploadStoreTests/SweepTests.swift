import Glibc
import Linux
import Synchronization
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// The files that a sweep removes, and those that it leaves.

@Suite struct SweepTests {
    let site: Site
    let id: UploadID
    let bytes = content(30)
    let chunks = Chunk.all(of: 30, size: 10)
    let settings = StoreSettings(expire: 1000)

    init() throws {
        site = try Site()
        id = try uploadID()
        // The files' times come from the kernel.
        site.time.store(UInt64(time(nil)), ordering: .relaxed)
    }

    @Test("An upload expires when its time is over, not before, and can be begun again")
    func expires() throws {
        let store = try site.store(settings)
        try store.send(chunks[0], of: bytes, as: id)
        site.wait(seconds: 900)
        #expect(store.sweep().removed.isEmpty)
        #expect(site.state.count == 2)
        site.wait(seconds: 200)
        let report = store.sweep()
        #expect(report.removed.map(\.id) == [id])
        #expect(report.removed.first?.held == 10)
        #expect(report.failures.isEmpty)
        #expect(site.state == [])
        #expect(try store.status(of: id) == nil)
        #expect(try store.sendAll(bytes, as: id) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("A client can remove its upload after the clock was set back")
    func removedWithClockSetBack() throws {
        let store = try site.store(settings)
        try store.send(chunks[0], of: bytes, as: id)
        site.time.store(1_700_000_000, ordering: .relaxed)
        _ = try store.remove(id)
        #expect(try store.status(of: id) == nil)
        #expect(site.state == [])
    }

    @Test("After the clock was set back, another version of a file waits a minute, and an upload expires in its time")
    func clockSetBack() throws {
        let store = try site.store(settings)
        func request(modified: UInt64) throws -> ChunkRequest {
            var request = ChunkRequest(
                upload: id, number: 1, place: .sized(total: 30, chunkSize: 10, try chunks[0].layout()))
            request.lastModified = modified
            return request
        }
        func send(modified: UInt64) throws -> Receipt.Effect {
            let writer = try store.receive(request(modified: modified))
            try writer.write(bytes[..<10])
            return try writer.commit().effect
        }
        let other = try uploadID("id", "other.bin")
        try store.send(chunks[0], of: bytes, as: other)
        #expect(try send(modified: 1) == .stored)
        site.time.subtract(365 * 86_400, ordering: .relaxed)
        #expect(throws: StoreError.self) { try send(modified: 2) }
        #expect(store.sweep().removed.isEmpty)
        site.wait(seconds: LocalStore.quietSeconds)
        #expect(try send(modified: 2) == .stored)
        site.wait(seconds: 1000)
        #expect(store.sweep().removed.map(\.id) == [other])
    }

    @Test("A test that finds a chunk held postpones the upload's expiry")
    func keptAlive() throws {
        let store = try site.store(settings)
        try store.send(chunks[0], of: bytes, as: id)
        site.wait(seconds: 900)
        #expect(try store.isHeld(chunks[0], of: id))
        site.wait(seconds: 900)
        #expect(store.sweep().removed.isEmpty)
        site.wait(seconds: 200)
        #expect(store.sweep().removed.count == 1)
    }

    @Test("An upload that a client is sending to is not swept, by any process")
    func held() throws {
        let store = try site.store(settings)
        try store.send(chunks[0], of: bytes, as: id)
        let writer = try store.receive(upload: id, size: 30, layout: chunks[1].layout())
        try writer.write(bytes[10..<15])
        site.wait(seconds: 5000)
        #expect(store.sweep().removed.isEmpty)
        #expect(try site.store(settings).sweep().removed.isEmpty)
        try writer.write(bytes[15..<20])
        #expect(try writer.commit().effect == .stored)
        #expect(try store.send(chunks[2], of: bytes, as: id) == .completed(path: "name.bin"))
    }

    @Test("A client whose chunk is compared with an upload that is swept has to retry")
    func sweptUnderComparison() throws {
        let store = try site.store(settings)
        try store.send(chunks[0], of: bytes, as: id)
        let writer = try store.receive(upload: id, size: 30, layout: chunks[0].layout())
        try writer.write(bytes[0..<5])
        site.wait(seconds: 5000)
        #expect(store.sweep().removed.count == 1)
        #expect(throws: StoreError.busy) {
            try writer.write(bytes[5..<10])
            return try writer.commit()
        }
        #expect(try store.sendAll(bytes, as: id) == .completed(path: "name.bin"))
    }

    @Test("The record of a finished file expires; the file stays")
    func finished() throws {
        let store = try site.store(settings)
        try store.sendAll(bytes, as: id)
        site.wait(seconds: 1100)
        let report = store.sweep()
        #expect(report.removed.map(\.path) == ["name.bin"])
        #expect(site.state == [])
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("Without an expiry time, nothing expires")
    func never() throws {
        let store = try site.store(StoreSettings(expire: 0))
        try store.send(chunks[0], of: bytes, as: id)
        site.wait(seconds: 1 << 32)
        #expect(store.sweep().removed.isEmpty)
        #expect(try store.isHeld(chunks[0], of: id))
    }

    @Test("Incomplete files of a process that died are removed after an hour", arguments: [0, 1000])
    func halfMade(expire: UInt64) throws {
        let store = try site.store(StoreSettings(expire: expire))
        try site.folder.write([], to: ".resumabled/abc.journal")
        try site.folder.write([1], to: ".resumabled/abc-0123456789abcdef.data")
        try site.folder.write([1], to: ".resumabled/spool.5")
        site.wait(seconds: 3500)
        #expect(store.sweep().failures.isEmpty)
        #expect(site.state.count == 3)
        site.wait(seconds: 200)
        #expect(store.sweep().failures.isEmpty)
        #expect(site.state == [])
    }

    @Test("A sweep goes on after a journal that it cannot read")
    func unreadable() throws {
        let store = try site.store(settings)
        try store.send(chunks[0], of: bytes, as: id)
        try site.folder.makeFolder(".resumabled/broken.journal")
        site.wait(seconds: 5000)
        let report = store.sweep()
        #expect(report.removed.count == 1)
        #expect(report.failures.count == 1)
    }

    // MARK: Another size

    @Test("A chunk with another size restarts an upload after a quiet minute; a test does not")
    func restart() throws {
        let store = try site.store(StoreSettings(onSizeChange: .restart))
        try store.send(chunks[0], of: bytes, as: id)
        let changed = content(35, seed: 2)
        let others = Chunk.all(of: 35, size: 10)
        // It may be a late chunk of the old file or an early one of the new: the store cannot know.
        #expect(throws: StoreError.sizeDiffers(known: 30)) { try store.send(others[1], of: changed, as: id) }
        #expect(throws: StoreError.sizeDiffers(known: 30)) { try store.isHeld(others[1], of: id) }
        site.wait(seconds: 70)
        #expect(try !store.isHeld(others[0], of: id))
        #expect(try store.isHeld(chunks[0], of: id), "a test changes nothing")
        #expect(try store.send(others[1], of: changed, as: id) == .stored)
        site.time.store(UInt64(time(nil)), ordering: .relaxed)
        #expect(throws: StoreError.sizeDiffers(known: 35)) { try store.send(chunks[1], of: bytes, as: id) }
        for chunk in others { try store.send(chunk, of: changed, as: id) }
        #expect(try site.folder.read("name.bin") == changed)
        #expect(site.state.count == 1)
    }

    @Test("While a client is sending, another size never restarts the upload")
    func restartInFlight() throws {
        let store = try site.store(StoreSettings(onSizeChange: .restart))
        let writer = try store.receive(upload: id, size: 30, layout: chunks[0].layout())
        try writer.write(bytes[0..<5])
        site.wait(seconds: 1000)
        #expect(throws: StoreError.sizeDiffers(known: 30)) {
            try store.send(Chunk.all(of: 35, size: 10)[1], of: content(35), as: id)
        }
        try writer.write(bytes[5..<10])
        #expect(try writer.commit().effect == .stored)
    }

    @Test("Without the option, another size is always refused")
    func noRestart() throws {
        let store = try site.store()
        try store.send(chunks[0], of: bytes, as: id)
        site.wait(seconds: 100_000)
        #expect(throws: StoreError.sizeDiffers(known: 30)) {
            try store.send(Chunk.all(of: 35, size: 10)[1], of: content(35), as: id)
        }
        #expect(try store.isHeld(chunks[0], of: id))
    }

    // MARK: Space

    @Test("An upload that would go below the minimum of free space is not begun; one larger than the disk never fits")
    func floor() throws {
        let store = try site.store(StoreSettings(minimumFree: 1 << 60))
        #expect {
            try store.send(chunks[0], of: bytes, as: id)
        } throws: { error in
            if case .full? = error as? StoreError { true } else { false }
        }
        #expect(site.state == [])
        let size: UInt64 = 1 << 60
        let request = ChunkRequest(
            upload: id, number: 1, place: .sized(total: size, chunkSize: 10, ChunkLayout(offset: 0, length: 10)))
        #expect(throws: StoreError.neverFits(size: size)) { _ = try site.store().receive(request) }
        #expect(site.state == [])
    }

    /// The space that the upload's data file occupies, in bytes.
    private func allocated(_ upload: UploadID? = nil) throws -> Int {
        var status = stat()
        try #require(lstat(site.folder.path + "/" + site.dataPath(upload ?? id), &status) == 0)
        return Int(status.st_blocks) * 512
    }

    @Test("Space is reserved in steps that follow what has come")
    func reserved() throws {
        let (size, chunkSize) = (64 << 20, 256 << 10)
        let chunks = Chunk.all(of: size, size: chunkSize)
        let bytes = [UInt8](repeating: 7, count: 6 << 20)
        let settings = StoreSettings(maximumFirstStep: 1 << 20)
        let store = try site.store(settings)
        try store.send(chunks[0], of: bytes, as: id, piece: chunkSize)
        #expect((1 << 20..<2 << 20).contains(try allocated()))
        // The last chunks reserve nothing before them.
        let tail = chunks[255]
        let writer = try store.receive(upload: id, size: UInt64(size), layout: tail.layout())
        try writer.write(bytes[0..<chunkSize], piece: chunkSize)
        _ = try writer.commit()
        #expect(try allocated() < 2 << 20)
        for chunk in chunks[1..<12] { try store.send(chunk, of: bytes, as: id, piece: chunkSize) }
        // 3.25 MiB are held.
        #expect(try allocated() > 3 << 20)
        #expect(try allocated() <= 7 << 20)
        // Another process continues the steps.
        let other = try site.store(settings)
        for chunk in chunks[12..<20] { try other.send(chunk, of: bytes, as: id, piece: chunkSize) }
        #expect(try allocated() <= 11 << 20)
    }

    /// A request for the first of 64 chunks of a file of 16 MiB.
    private func first(_ name: String, from client: String) throws -> ChunkRequest {
        let layout = try Chunk.all(of: 16 << 20, size: 256 << 10)[0].layout()
        var request = ChunkRequest(
            upload: try uploadID(name), number: 1,
            place: .sized(total: 16 << 20, chunkSize: 256 << 10, layout))
        request.clientKey = client
        return request
    }

    /// Sends that chunk. Returns how much space the file occupies then, in bytes.
    private func space(of request: ChunkRequest, in store: LocalStore) throws -> Int {
        let writer = try store.receive(request)
        try writer.write([UInt8](repeating: 7, count: 256 << 10), piece: 256 << 10)
        _ = try writer.commit()
        return try allocated(request.upload)
    }

    @Test("What one client has reserved is bounded, and comes back when an upload ends")
    func reservedPerClient() throws {
        let store = try site.store(StoreSettings(maximumFirstStep: 1 << 20, maximumReserved: .bytes(5 << 19)))
        func isReserved(_ name: String, from client: String) throws -> Bool {
            try space(of: try first(name, from: client), in: store) >= 1 << 20
        }
        #expect(try isReserved("1", from: "a"))
        #expect(try isReserved("2", from: "a"))
        // Half a step is left.
        #expect(try space(of: try first("3", from: "a"), in: store) == 1 << 19)
        #expect(try space(of: try first("4", from: "a"), in: store) == 1 << 18)
        #expect(try isReserved("5", from: "b"))
        _ = try store.remove(try uploadID("1"))
        #expect(try isReserved("6", from: "a"))
        // Another process removes one. This one learns that with its next sweep.
        _ = try site.store(settings).remove(try uploadID("2"))
        #expect(try space(of: try first("7", from: "a"), in: store) == 1 << 18)
        _ = store.sweep()
        #expect(try isReserved("8", from: "a"))
    }

    @Test("A test does not keep an upload that holds nearly nothing")
    func nearlyEmpty() throws {
        let store = try site.store(settings)
        let chunk = Chunk(number: 1, range: 0..<10, chunkSize: 10, total: 1000)
        try store.send(chunk, of: bytes, as: id)
        site.wait(seconds: 900)
        #expect(try store.isHeld(chunk, of: id))
        site.wait(seconds: 200)
        #expect(store.sweep().removed.map(\.id) == [id])
    }

    @Test("When space is short, uploads that hold nearly nothing are given up, others stay")
    func relief() throws {
        let other = try uploadID("other")
        let store = try site.store(settings)
        try store.send(Chunk(number: 1, range: 0..<10, chunkSize: 10, total: 1000), of: bytes, as: id)
        try store.send(chunks[0], of: bytes, as: other)
        let causes = Lock<[RemovalCause]>([])
        func relieved(minimumFree: UInt64) throws -> [RemovalCause] {
            let counter = Counter(1000)
            let store = try site.store(
                StoreSettings(minimumFree: minimumFree), elapsed: { counter.value.load(ordering: .relaxed) },
                observe: { if case .removed(_, let cause) = $0 { causes.withLock { $0.append(cause) } } })
            #expect(store.sweep().removed.isEmpty)
            store.finishWaiting()
            site.wait(seconds: 500)
            counter.value.add(500, ordering: .relaxed)
            store.finishWaiting()
            return causes.withLock { $0 }
        }
        #expect(try relieved(minimumFree: 0) == [])
        #expect(try relieved(minimumFree: 1 << 62) == [.space])
        #expect(try site.store(settings).status(of: id) == nil)
        #expect(try site.store(settings).isHeld(chunks[0], of: other))
    }

    @Test("A clock that jumps forward lets nothing expire until it has stayed for a sweep")
    func jump() throws {
        let counter = Counter(50)
        let store = try site.store(settings, elapsed: { counter.value.load(ordering: .relaxed) })
        try store.send(chunks[0], of: bytes, as: id)
        #expect(store.sweep().removed.isEmpty)
        // It jumps and is set back.
        site.wait(seconds: 365 * 86_400)
        #expect(store.sweep().removed.isEmpty)
        #expect(site.state.count == 2)
        site.time.subtract(365 * 86_400, ordering: .relaxed)
        #expect(store.sweep().removed.isEmpty)
        // It jumps and stays.
        site.wait(seconds: 365 * 86_400)
        #expect(store.sweep().removed.isEmpty)
        #expect(store.sweep().removed.map(\.id) == [id])
    }

    @Test("A clock that is a year ahead when a process starts lets nothing expire in its first sweep")
    func jumpBeforeStart() throws {
        try site.store(settings).send(chunks[0], of: bytes, as: id)
        site.wait(seconds: 365 * 86_400)
        let store = try site.store(settings, elapsed: { 50 })
        #expect(store.sweep().removed.isEmpty)
        #expect(store.sweep().removed.map(\.id) == [id])
    }

    @Test("Time that both clocks have measured is no jump")
    func idle() throws {
        let counter = Counter(50)
        let store = try site.store(settings, elapsed: { counter.value.load(ordering: .relaxed) })
        try store.send(chunks[0], of: bytes, as: id)
        #expect(store.sweep().removed.isEmpty)
        site.wait(seconds: 86_400)
        counter.value.add(86_400, ordering: .relaxed)
        #expect(store.sweep().removed.map(\.id) == [id])
    }
}

/// A clock of seconds that a test moves.
private final class Counter: Sendable {
    let value: Atomic<UInt64>

    init(_ start: UInt64) { value = Atomic(start) }
}
