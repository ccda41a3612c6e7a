import Glibc
import StoreTestSupport
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// A file in one chunk is published while something else happens, at whichever disk call.

@Suite struct WholeFileRaceTests {
    private let bytes = UploadStoreTests.content(30)
    private let id: UploadID

    init() throws { id = try uploadID() }

    private func store(_ disk: MemoryDisk) throws -> LocalStore {
        try LocalStore(root: disk.root, boot: BootID(low: 1, high: 0)) { 1 << 40 }
    }

    /// Sends the file once for each disk call of that, with `interruption` before the call, and then calls `check` with
    /// a store that is opened afterwards.
    private func atEachCall(
        _ interruption: (MemoryDisk) throws -> @Sendable () -> Void,
        _ check: (LocalStore, MemoryDisk, Receipt.Effect) throws -> Void
    ) throws {
        for call in 0..<200 {
            let disk = MemoryDisk()
            let store = try store(disk)
            let interruption = try interruption(disk)
            disk.interrupt(after: call, interruption)
            let effect = try store.send(Chunk.all(of: 30, size: 100)[0], of: bytes, as: id)
            if disk.cancelInterruption() {
                #expect(call > 10)
                return
            }
            try check(self.store(disk), disk, effect)
        }
        Issue.record("the file is never complete")
    }

    private func read(_ name: String, on disk: MemoryDisk) throws -> [UInt8]? {
        guard let file = try disk.root.open(name) else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(try file.status().size))
        _ = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        return bytes
    }

    @Test("A file that the site moves away as soon as it has its name is complete, and is not published again")
    func movedAway() throws {
        try atEachCall { disk in
            { _ = try? disk.root.rename("name.bin", to: disk.root, as: "taken", replacing: false) }
        } _: { (_, disk, effect) throws in
            #expect(effect == .completed(path: "name.bin"))
            let names = try disk.root.names().filter { $0 != LocalStore.stateFolder }
            #expect(names == ["taken"] || names == ["name.bin"])
            #expect(try read(names[0], on: disk) == bytes)
        }
    }

    @Test("Another version of the file that another process begins meanwhile is kept beside it")
    func otherVersion() throws {
        let other = UploadStoreTests.content(40, seed: 2)
        let chunks = Chunk.all(of: 40, size: 20)
        try atEachCall { [id] disk in
            let process = try store(disk)
            // Fails while it would have to wait for the publisher; then its client sends the file again.
            return { for chunk in chunks { _ = try? process.send(chunk, of: other, as: id) } }
        } _: { (store, disk, effect) throws in
            guard case .completed(let path) = effect else {
                Issue.record("\(effect)")
                return
            }
            #expect(try read(path, on: disk) == bytes)
            let otherPath = path == "name.bin" ? "name (1).bin" : "name.bin"
            if try disk.root.status(otherPath) == nil {
                for chunk in chunks { try store.send(chunk, of: other, as: id) }
            }
            #expect(try read(otherPath, on: disk) == other)
            #expect(try disk.root.names().count == 3)
        }
    }

    @Test(
        "The same file in one chunk and in two, from two processes at once, becomes one file of its name",
        arguments: [ConflictPolicy.rename, .refuse])
    func twoCuts(policy: ConflictPolicy) throws {
        for round in 0..<(ConcurrencyTests.asked ?? 200) {
            let site = try Site()
            let stores = try (0..<2).map { _ in try site.store(StoreSettings(onConflict: policy)) }
            let errors = Collected<any Error>()
            try onThreads(2) { index in
                do {
                    usleep(UInt32(round * (1 - index) % 40) * 20)
                    try untilNotBusy {
                        try stores[index].sendAll(bytes, as: id, chunkSize: index == 0 ? 100 : 15)
                    }
                } catch {
                    errors.add(error)
                }
            }
            #expect(errors.all.isEmpty, "round \(round)")
            #expect(site.files == ["name.bin"], "round \(round)")
            #expect(try site.folder.read("name.bin") == bytes)
        }
    }

    @Test("A process that starts meanwhile does not remove what is being received")
    func recovery() throws {
        try atEachCall { disk in
            { _ = try? store(disk).recover() }
        } _: { (store, disk, effect) throws in
            #expect(effect == .completed(path: "name.bin"))
            #expect(try read("name.bin", on: disk) == bytes)
            #expect(try store.uploads().map(\.path) == ["name.bin"])
        }
    }
}
