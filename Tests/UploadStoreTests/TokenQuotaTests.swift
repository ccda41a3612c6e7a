import Glibc
import StoreTestSupport
import Synchronization
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// How many uploads may be begun with one token.

@Suite struct TokenQuotaTests {
    private let site: Site
    private let store: LocalStore

    init() throws {
        site = try Site()
        store = try site.store()
        // The files' times come from the kernel.
        site.time.store(UInt64(time(nil)) + 1, ordering: .relaxed)
    }

    @discardableResult
    private func send(
        _ size: Int, as identifier: String = "id", limit: Int, token: String = "token", to other: LocalStore? = nil,
        seed: UInt64 = 1
    ) throws -> Receipt.Effect {
        let layout = ChunkLayout(offset: 0, length: UInt64(size))
        let request = ChunkRequest(
            upload: try uploadID(identifier, "name.bin"), number: 1,
            place: .sized(total: UInt64(size), chunkSize: UInt64(size), layout),
            quota: TokenQuota(tokenID: token, limit: limit))
        let writer = try (other ?? store).receive(request)
        try writer.write(content(size, seed: seed))
        return try writer.commit().effect
    }

    @Test("A token for one file takes one file, whatever sizes are sent under the same identifier and name")
    func sameKey() throws {
        #expect(try send(1, limit: 1) == .completed(path: "name.bin"))
        for size in 2...11 { #expect(throws: StoreError.quotaUsedUp(limit: 1)) { try send(size, limit: 1) } }
        #expect(site.files == ["name.bin"])
        #expect(try send(2, limit: 1, token: "another") == .completed(path: "name (1).bin"))
    }

    @Test("A token for one file takes one file, whatever bytes of one size are sent")
    func otherBytes() throws {
        try send(20, limit: 1)
        #expect(try send(20, limit: 1) == .duplicate)
        #expect(throws: StoreError.quotaUsedUp(limit: 1)) { try send(20, limit: 1, seed: 2) }
        #expect(try send(20, limit: 2, seed: 3) == .completed(path: "name (1).bin"))
        #expect(site.files == ["name (1).bin", "name.bin"])
    }

    @Test("The count survives the expiry of the records, and a restart")
    func expired() throws {
        try send(3, limit: 2)
        try send(3, as: "second", limit: 2)
        site.wait(seconds: 8 * 24 * 3600)
        #expect(store.sweep().failures == [])
        #expect(try store.status(of: uploadID()) == nil)
        for store in [store, try site.store()] {
            #expect(throws: StoreError.quotaUsedUp(limit: 2)) { try send(3, limit: 2, to: store) }
            #expect(throws: StoreError.quotaUsedUp(limit: 2)) { try send(3, as: "third", limit: 2, to: store) }
        }
    }

    @Test("Two processes count together")
    func twoProcesses() throws {
        let stores = [store, try site.store()]
        let begun = Atomic(0)
        try onThreads(8) { [self] index in
            let effect = try? untilNotBusy { try send(4, as: "id \(index)", limit: 3, to: stores[index % 2]) }
            if effect != nil { begun.add(1, ordering: .relaxed) }
        }
        #expect(begun.load(ordering: .relaxed) == 3)
        #expect(site.files.count == 3)
    }

    @Test("An upload that is removed before it is finished may be begun again, and counts once")
    func removed() throws {
        let chunks = Chunk.all(of: 20, size: 10)
        func begin(_ identifier: String) throws -> any ChunkWriter {
            try store.receive(
                ChunkRequest(
                    upload: uploadID(identifier), number: 1,
                    place: .sized(total: 20, chunkSize: 10, try chunks[0].layout()),
                    quota: TokenQuota(tokenID: "token", limit: 1)))
        }
        for _ in 0..<3 {
            _ = try begin("id")
            _ = try store.remove(uploadID("id"))
        }
        #expect(throws: StoreError.quotaUsedUp(limit: 1)) { try begin("other") }
        _ = try begin("id")
    }

    @Test("An upload that could not be begun does not count")
    func failed() throws {
        try site.folder.write([1], to: "taken.bin")
        let refusing = try site.store(StoreSettings(onConflict: .refuse))
        func begin(_ name: String) throws {
            let layout = ChunkLayout(offset: 0, length: 2)
            _ = try refusing.receive(
                ChunkRequest(
                    upload: uploadID("id", name), number: 1, place: .sized(total: 2, chunkSize: 2, layout),
                    quota: TokenQuota(tokenID: "token", limit: 1)))
        }
        #expect(throws: StoreError.nameTaken) { try begin("taken.bin") }
        try begin("free.bin")
    }

    @Test("Uploads that an earlier release began with a token count, finished or not")
    func earlierRelease() throws {
        try send(3, limit: 2)
        try send(3, as: "second", limit: 2)
        for name in site.folder.names(in: ".resumabled/tokens") {
            try site.folder.remove(".resumabled/tokens/" + name)
        }
        #expect(throws: StoreError.quotaUsedUp(limit: 2)) { try send(3, as: "third", limit: 2) }
        #expect(throws: StoreError.quotaUsedUp(limit: 2)) { try send(4, limit: 2) }
    }
}
