import Linux
import TestSupport
import Testing
import UploadModel
import UploadStore

@testable import ObjectStore
@testable import S3

/// With `--on-conflict replace` the newest file has the name.
@Suite("Files that replace others") struct ReplacementTests {
    private let engine = MemoryEngine { 1_800_000_000 }
    private let scratch: TemporaryFolder

    init() throws { scratch = try TemporaryFolder() }

    /// - Parameter work: is done in front of the first call that publishes a file.
    private func host(stoppedFor work: @escaping @Sendable () -> Void = {}) throws -> ObjectStore {
        let isFirst = Lock(true)
        let bucket = MemoryBucket(engine) { call, make throws(S3Error) in
            if call == "COMPLETE",
                isFirst.withLock({ isFirst in
                    defer { isFirst = false }
                    return isFirst
                })
            {
                work()
            }
            if let error = make() { throw error }
        }
        return ObjectStore(
            bucket, prefix: "", settings: StoreSettings(onConflict: .replace),
            scratch: try LinuxDirectory.root(scratch.path), lengths: Simulation.lengths, now: engine.now,
            random: { .random(in: .min ... .max) }, observe: { _ in }, admit: { _, _ throws(StoreError) in })
    }

    private func send(_ file: SimulatedFile, to host: ObjectStore) throws {
        for chunk in file.chunks {
            let writer = try host.receive(chunk)
            try Array(file.bytes(of: chunk)).withBytes { try writer.write($0) }
            _ = try writer.commit()
        }
    }

    private func file(_ identifier: String, _ size: Int, _ chunkSize: Int, _ seed: UInt64) throws -> SimulatedFile {
        var generator = SplitMix64(seed: seed)
        return try SimulatedFile(
            identifier, "name.bin", content(size, &generator), chunkSizes: [chunkSize], isForced: true)
    }

    @Test(
        "A host that was stopped does not put an older file in the place of a newer one",
        arguments: [(1000, 1000), (0, 1000), (1000, 300), (100_000, 16 << 10)])
    func stopped(_ size: Int, _ chunkSize: Int) throws {
        let old = try file("old", size, chunkSize, 1)
        let new = try file("new", 1200, 2000, 2)
        let other = try host()
        let host = try host {
            // Another host publishes the file, because its client has come again, and then a newer one.
            #expect(throws: Never.self) {
                try send(old, to: other)
                #expect(engine.body("name.bin") == old.content)
                try send(new, to: other)
            }
        }
        try? send(old, to: host)
        #expect(engine.body("name.bin") == new.content)
        #expect(engine.contents.withLock { $0.multiparts.isEmpty })
    }

    @Test("Each file of a name replaces the one before, and nothing else is left", arguments: [0, 1000, 100_000])
    func replace(_ size: Int) throws {
        let host = try host()
        for number in 1...3 {
            let file = try file("\(number)", size, number == 2 ? 400 : 200_000, UInt64(number))
            try send(file, to: host)
            #expect(engine.body("name.bin") == file.content)
        }
        #expect(engine.keys.filter { !$0.hasPrefix(".resumabled/") } == ["name.bin"])
        #expect(engine.contents.withLock { $0.multiparts.isEmpty })
    }

    @Test("With all faults, each file is there once and right", arguments: 1100..<1120 as Range<UInt64>)
    func faults(_ seed: UInt64) throws {
        let simulation = try Simulation(
            seed: seed, Faults(death: 0.01, repetition: 0.05, failure: 0.02),
            settings: StoreSettings(onConflict: .replace, expire: 0))
        var generator = SplitMix64(seed: seed)
        let files = try (0..<6).map { number in
            try SimulatedFile(
                "\(number)", "\(number).bin", content([0, 900, 3000, 20_000, 40_000, 1][number], &generator),
                chunkSizes: [number % 2 == 0 ? 1000 : 16 << 10], isForced: true)
        }
        try simulation.run(files.flatMap { file in (file.chunks + file.chunks).map { .chunk(file, $0) } })
        try simulation.check(files, "seed \(seed)")
    }
}
