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
    private let other: ObjectStore

    init() throws {
        scratch = try TemporaryFolder()
        store = try CallsTests.host(engine, scratch)
        other = try CallsTests.host(engine, scratch)
    }

    private static func host(_ engine: MemoryEngine, _ scratch: TemporaryFolder) throws -> ObjectStore {
        ObjectStore(
            MemoryBucket(engine), prefix: "", settings: StoreSettings(), scratch: try LinuxDirectory.root(scratch.path),
            lengths: Simulation.lengths, now: { 1_800_000_000 }, random: { .random(in: .min ... .max) },
            observe: { _ in }, admit: { _, _ throws(StoreError) in })
    }

    private func calls(_ work: () throws -> Void) rethrows -> [String: Int] {
        engine.contents.withLock { $0.calls = [:] }
        try work()
        return engine.contents.withLock { $0.calls }
    }

    private func send(_ file: SimulatedFile, _ index: Int, to host: ObjectStore? = nil) throws {
        let writer = try (host ?? store).receive(file.chunks[index])
        try Array(file.bytes(of: file.chunks[index])).withBytes { try writer.write($0) }
        _ = try writer.commit()
    }

    private func file(_ size: Int, chunkSize: Int) throws -> SimulatedFile {
        try SimulatedFile(
            "id", "name.bin", (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }, chunkSizes: [chunkSize],
            isForced: true)
    }

    @Test("A chunk that is a part takes two calls on the host that has begun the upload")
    func part() throws {
        let file = try file(8 * (16 << 10), chunkSize: 16 << 10)
        try send(file, 0)
        #expect(try calls { try send(file, 1) } == ["PART": 1, "CREATE": 1])
        #expect(try calls { try send(file, 2) } == ["PART": 1, "CREATE": 1])
        #expect(try calls { try send(file, 2) } == ["LIST": 1, "GET": 1], "a duplicate; the claim is read once")
        #expect(try calls { try send(file, 3) } == ["PART": 1, "CREATE": 1], "still")
    }

    @Test("A chunk that is a part takes a listing before and after it, the part and its record on several hosts")
    func partOfSeveral() throws {
        let file = try file(16 * (16 << 10), chunkSize: 16 << 10)
        for index in 0..<3 { try send(file, index) }
        // Entry 3 has its own line, and entry 2 those of the first two.
        // Entry 2 repeats the line of entry 1. The claim and the target are read, too.
        #expect(
            try calls { try send(file, 3, to: other) } == ["LIST": 4, "CREATE": 1, "PART": 1, "PUT": 1, "GET": 4],
            "it closes the ledger")
        #expect(try calls { try send(file, 4, to: other) } == ["LIST": 2, "PART": 1, "PUT": 1])
        let first = try calls { try send(file, 5) }
        #expect(first["PART"] == 2, "the first host notices after its part")
        #expect(try calls { try send(file, 6) } == ["LIST": 2, "PART": 1, "PUT": 1])
    }

    @Test(
        "A file of 1 GiB takes 290 calls in chunks of 8 MiB, and 4,600 in chunks of 1 MiB",
        arguments: [(128, 24 << 10, 290), (1024, 3 << 10, 4600)])
    func all(_ chunks: Int, _ chunkSize: Int, _ most: Int) throws {
        // The engine counts calls and not bytes: a chunk of 1 MiB is an eighth of a cell, and one of 8 MiB is a cell.
        let file = try file(chunks * chunkSize, chunkSize: chunkSize)
        let calls = try calls { for index in file.chunks.indices { try send(file, index) } }
        #expect(calls.values.reduce(0, +) <= most, "\(calls)")
        #expect(engine.body("name.bin") == file.content)
    }

    @Test("Threads of one host that store parts at the same time take two calls each, too")
    func atTheSameTime() throws {
        let file = try file(64 * (16 << 10), chunkSize: 16 << 10)
        let next = Lock(0)
        let calls = try calls {
            try onThreads(4) { _ in
                while true {
                    let index = next.withLock { next in
                        next += 1
                        return next - 1
                    }
                    if index >= file.chunks.count { return }
                    #expect(throws: Never.self) { try send(file, index) }
                }
            }
        }
        // Each thread may have begun to look at the upload before it was there.
        #expect(calls.values.reduce(0, +) <= 2 * 64 + 40, "\(calls)")
        #expect(engine.body("name.bin") == file.content)
    }

    @Test("A small chunk takes two calls, and a cell its objects, a part and a record")
    func small() throws {
        // 6 chunks make a cell.
        let file = try file(4 * (24 << 10), chunkSize: 4 << 10)
        for index in 0..<6 { try send(file, index) }
        for index in 6..<11 { #expect(try calls { try send(file, index) } == ["PUT": 1, "CREATE": 1]) }
        let last = try calls { try send(file, 11) }
        #expect(last == ["PUT": 2, "CREATE": 1, "GET": 6, "PART": 1])
    }

    @Test("A small chunk on another host takes a listing before and after it and an object")
    func smallOfSeveral() throws {
        let file = try file(4 * (24 << 10), chunkSize: 4 << 10)
        try send(file, 0)
        try send(file, 1, to: other)
        for index in 2..<5 { #expect(try calls { try send(file, index, to: other) } == ["LIST": 2, "PUT": 1]) }
    }

    @Test("A sweep and the lists of unfinished uploads read no documents of finished ones")
    func finished() throws {
        for number in 0..<5 {
            let file = try SimulatedFile(
                "\(number)", "\(number).bin", [UInt8](repeating: 1, count: 1000),
                chunkSizes: [number % 2 == 0 ? 400 : 4000], isForced: true)
            for index in file.chunks.indices { try send(file, index) }
        }
        let unfinished = try SimulatedFile(
            "unfinished", "u", [UInt8](repeating: 2, count: 1000), chunkSizes: [400], isForced: true)
        try send(unfinished, 0)
        var count = 0
        let counting = try calls { count = try other.countUnderWay() }
        #expect(count == 1 && counting == ["LIST": 1])
        var uploads: [UploadSummary] = []
        let listing = try calls { uploads = try other.uploadsUnderWay() }
        #expect(uploads.map(\.id) == [unfinished.id])
        #expect(listing == ["LIST": 1, "GET": 2], "the claim and an entry of the ledger")
        var failures: [StoreError] = []
        let sweeping = calls { failures += other.sweep().failures }
        #expect(sweeping == ["LIST": 6, "MULTIPARTS": 1], "the uploads, names, tokens, trials, probes and events")
        let recovery = calls { failures += other.recover() }
        #expect(recovery == ["LIST": 1] && failures.isEmpty)
        #expect(try other.uploads().count == 6)
    }

    @Test("The last chunk takes eight calls, and the engine deletes a thousand objects with one")
    func last() throws {
        let file = try file(8 * (16 << 10), chunkSize: 16 << 10)
        for index in 0..<7 { try send(file, index) }
        // The part and its entry; the end, and the entry that closes the ledger; the file, its digests, and its record.
        // The last one removes the entries and the reservation.
        #expect(
            try calls { try send(file, 7) } == ["PART": 1, "CREATE": 4, "COMPLETE": 1, "PUT": 1, "DELETE": 1])
        #expect(engine.body("name.bin") == file.content)
        #expect(!engine.keys.contains { $0.contains("/name/") || $0.contains("/c/") })
    }

    @Test("On several hosts, the last chunk takes 11 calls")
    func lastOfSeveral() throws {
        let file = try file(8 * (16 << 10), chunkSize: 16 << 10)
        try send(file, 0)
        for index in 1..<7 { try send(file, index, to: other) }
        // It lists the upload in front of the chunk, behind it, and once it has ended.
        #expect(
            try calls { try send(file, 7, to: other) }
                == ["LIST": 3, "PART": 1, "PUT": 2, "CREATE": 2, "GET": 1, "COMPLETE": 1, "DELETE": 1])
        #expect(engine.body("name.bin") == file.content)
        #expect(!engine.keys.contains { $0.contains("/name/") || $0.contains("/c/") })
    }

    @Test("A file of one chunk takes seven calls, and a test of a chunk one")
    func whole() throws {
        let whole = try file(1000, chunkSize: 4 << 10)
        let calls = try calls { try send(whole, 0) }
        #expect(calls == ["LIST": 1, "CREATE": 3, "HEAD": 1, "PUT": 1, "DELETE": 1])
        let file = try SimulatedFile("other", "other.bin", whole.content, chunkSizes: [400], isForced: true)
        try send(file, 0)
        _ = try store.status(of: file.chunks[1])
        #expect(try self.calls { _ = try store.status(of: file.chunks[1]) } == ["LIST": 1])
    }
}
