import Linux
import TestSupport
import Testing
import UploadModel
import UploadStore

@testable import ObjectStore

/// Calls to an engine cost time and money, so their number is part of what the store promises.
@Suite("The number of calls to the engine") struct CallsTests {
    private let engine = MemoryEngine { 1_800_000_000 }
    private let scratch: TemporaryFolder
    private let store: ObjectStore

    init() throws {
        scratch = try TemporaryFolder()
        store = ObjectStore(
            MemoryBucket(engine), prefix: "", settings: StoreSettings(), scratch: try LinuxDirectory.root(scratch.path),
            lengths: Simulation.lengths, now: { 1_800_000_000 }, random: { .random(in: .min ... .max) },
            observe: { _ in }, admit: { _, _ throws(StoreError) in })
    }

    private func calls(_ work: () throws -> Void) rethrows -> [String: Int] {
        engine.contents.withLock { $0.calls = [:] }
        try work()
        return engine.contents.withLock { $0.calls }
    }

    private func send(_ file: SimulatedFile, _ index: Int) throws {
        let writer = try store.receive(file.chunks[index])
        try Array(file.bytes(of: file.chunks[index])).withBytes { try writer.write($0) }
        _ = try writer.commit()
    }

    private func file(_ size: Int, chunkSize: Int) throws -> SimulatedFile {
        try SimulatedFile(
            "id", "name.bin", (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }, chunkSizes: [chunkSize],
            isForced: true)
    }

    @Test("A chunk that is a part takes a listing before and after it, the part and its record")
    func part() throws {
        let file = try file(4 * (16 << 10), chunkSize: 16 << 10)
        try send(file, 0)
        #expect(try calls { try send(file, 1) } == ["LIST": 2, "PART": 1, "PUT": 1, "GET": 1])
        #expect(try calls { try send(file, 2) } == ["LIST": 2, "PART": 1, "PUT": 1])
        #expect(try calls { try send(file, 2) } == ["LIST": 1], "a duplicate")
    }

    @Test(
        "A small chunk takes a listing before and after it and an object, and a cell its objects, a part and a record")
    func small() throws {
        // 6 chunks make a cell.
        let file = try file(4 * (24 << 10), chunkSize: 4 << 10)
        for index in 0..<6 { try send(file, index) }
        for index in 6..<11 { #expect(try calls { try send(file, index) } == ["LIST": 2, "PUT": 1]) }
        // One of the seven reads the target, once for the upload.
        let last = try calls { try send(file, 11) }
        #expect(last == ["LIST": 2, "PUT": 2, "GET": 7, "PART": 1])
    }

    @Test("A file of one chunk takes eight calls, and a test of a chunk one")
    func whole() throws {
        let whole = try file(1000, chunkSize: 4 << 10)
        let calls = try calls { try send(whole, 0) }
        #expect(calls == ["LIST": 1, "CREATE": 3, "HEAD": 1, "PUT": 1, "GET": 1, "DELETE": 1])
        let file = try SimulatedFile("other", "other.bin", whole.content, chunkSizes: [400], isForced: true)
        try send(file, 0)
        #expect(try self.calls { _ = try store.status(of: file.chunks[1]) } == ["LIST": 1])
    }
}
