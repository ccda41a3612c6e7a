import Linux
import TestSupport
import Testing
import UploadModel
import UploadStore

@testable import ObjectStore
@testable import S3

/// A load balancer sends all chunks of a file to one host, nearly always.
@Suite("A host that takes all chunks of a file, and others that come in between") struct SoleHostTests {
    /// Files, and the jobs of the hosts that take them.
    private func own(_ files: [SimulatedFile], _ generator: inout SplitMix64) -> [[Simulation.Job]] {
        var own = [[Simulation.Job]](repeating: [], count: Simulation.hosts)
        for (index, file) in files.enumerated() {
            for chunk in file.chunks {
                own[index % 3].append(.chunk(file, chunk))
                if generator.next() % 12 == 0 { own[index % 3].append(.chunk(file, chunk)) }
            }
        }
        return own
    }

    private func run(_ seed: UInt64, _ faults: Faults) throws {
        let simulation = try Simulation(seed: seed, faults)
        var generator = SplitMix64(seed: seed &+ 2000)
        func number(below limit: Int) -> Int { Int(generator.next() % UInt64(limit)) }
        let files = try SimulationTests.files(seed)
        var own = own(files, &generator)
        var isRemoved = false
        for _ in 0..<number(below: 20) {
            let file = files[number(below: files.count)]
            let chunk = file.chunks[number(below: file.chunks.count)]
            own[3].append(.pause(number(below: 30)))
            switch number(below: 6) {
            case 0, 1: own[3].append(.chunk(file, chunk))
            case 2: own[3].append(.test(file, chunk))
            case 3: own[3].append(.sweep)
            case 4:
                own[3].append(.removal(files[0]))
                isRemoved = true
            default: own[3].append(.resumption(file))
            }
        }
        try simulation.run([], own: own)
        // The last chunk publishes a file, and no sweep has to.
        let count = simulation.engine.keys.filter { !$0.contains("/.resumabled/") }.count
        #expect(isRemoved || count == files.count, "seed \(seed): \(count) files of \(files.count)")
        try simulation.check(files, "seed \(seed)")
    }

    @Test("Each file is there once and right, and its last chunk publishes it", arguments: 700..<750 as Range<UInt64>)
    func calm(_ seed: UInt64) throws { try run(seed, Faults()) }

    @Test("With all faults, each file is there once and right", arguments: 800..<830 as Range<UInt64>)
    func allFaults(_ seed: UInt64) throws { try run(seed, Faults(death: 0.004, repetition: 0.05, failure: 0.01)) }

    @Test("Of two versions of a file, one on a host each, none is lost", arguments: 900..<950 as Range<UInt64>)
    func versions(_ seed: UInt64) throws {
        let simulation = try Simulation(seed: seed, Faults(repetition: seed % 2 == 0 ? 0 : 0.05))
        var generator = SplitMix64(seed: seed)
        let chunkSize = SimulationTests.part / (seed % 3 == 0 ? 4 : 1)
        let versions = try (0..<2).map { _ in
            try SimulatedFile(
                "id", "name.bin", content(4 * SimulationTests.part + 1234, &generator), chunkSizes: [chunkSize],
                isForced: seed % 5 < 3)
        }
        var own = [[Simulation.Job]](repeating: [], count: Simulation.hosts)
        own[0] = versions[0].chunks.map { .chunk(versions[0], $0) }
        for chunk in versions[1].chunks {
            if generator.next() % 3 == 0 { own[1].append(.pause(Int(generator.next() % 12))) }
            if generator.next() % 2 == 0 { own[1].append(.chunk(versions[1], chunk)) }
        }
        try simulation.run([], own: own)
        try simulation.check(versions: versions, "seed \(seed)")
    }

    @Test("An upload expires or goes on, while its host adds to it", arguments: 1000..<1030 as Range<UInt64>)
    func expiry(_ seed: UInt64) throws {
        let simulation = try Simulation(seed: seed, Faults(), settings: StoreSettings(expire: 4000))
        var generator = SplitMix64(seed: seed)
        let file = try SimulatedFile(
            "id", "name.bin", content(8 * SimulationTests.part, &generator), chunkSizes: [SimulationTests.part],
            isForced: true)
        let chunks = file.chunks.map { Simulation.Job.chunk(file, $0) }
        // Another host must not take the first chunk: the host would have no ledger.
        var own = [Array(chunks[..<4])]
        own[0].append(.wait(seconds: 3995))
        own[0].append(.pause(Int(generator.next() % 8)))
        own[0] += chunks[4...]
        own += [[.pause(16)] + [Simulation.Job](repeating: .sweep, count: 40)]
        try simulation.run([], own: own)
        try simulation.check([file], "seed \(seed)", expire: true)
    }

    /// The same host, with a bucket that does something in front of its second part.
    private func host(
        _ engine: MemoryEngine, _ scratch: TemporaryFolder, inFrontOf name: String = "",
        _ work: @escaping @Sendable () -> Void = {}
    ) throws -> ObjectStore {
        let count = Lock(0)
        let bucket = MemoryBucket(engine) { call, make throws(S3Error) in
            let number = count.withLock { count in
                count += call == name ? 1 : 0
                return count
            }
            if call == name, number == 2 { work() }
            if let error = make() { throw error }
        }
        return ObjectStore(
            bucket, prefix: "", settings: StoreSettings(), scratch: try LinuxDirectory.root(scratch.path),
            lengths: Simulation.lengths, gate: Gate(patience: 50), now: engine.now,
            random: { .random(in: .min ... .max) }, observe: { _ in }, admit: { _, _ throws(StoreError) in })
    }

    private func send(_ file: SimulatedFile, _ index: Int, to host: ObjectStore) throws -> Receipt.Effect {
        let writer = try host.receive(file.chunks[index])
        try Array(file.bytes(of: file.chunks[index])).withBytes { try writer.write($0) }
        return try writer.commit().effect
    }

    @Test("Of two chunks for one range at the same time, the one that comes after the completion is not thrown away")
    func lateOnTheSameHost() throws {
        let engine = MemoryEngine(now: { 1_800_000_000 })
        let scratch = try TemporaryFolder()
        var generator = SplitMix64(seed: 1)
        let versions = try (0..<2).map { _ in
            try SimulatedFile(
                "id", "name.bin", content(2 * SimulationTests.part, &generator), chunkSizes: [SimulationTests.part],
                isForced: true)
        }
        let store = Lock<ObjectStore?>(nil)
        let host = try host(engine, scratch, inFrontOf: "PART") {
            // Another request of the same host, while this one puts its part.
            guard let host = store.withLock({ $0 }) else { return }
            #expect(throws: Never.self) {
                let effect = try send(versions[1], 1, to: host)
                #expect(effect == .completed(path: "name.bin"))
            }
        }
        store.withLock { $0 = host }
        defer { store.withLock { $0 = nil } }
        _ = try send(versions[0], 0, to: host)
        _ = try send(versions[0], 1, to: host)
        #expect(
            engine.body("name.bin") == versions[0].content.prefix(SimulationTests.part)
                + versions[1].content.suffix(SimulationTests.part))
        // It has begun another upload.
        #expect(try host.status(of: versions[0].chunks[1])?.receipt != nil)
        _ = try send(versions[0], 0, to: host)
        #expect(engine.body("name (1).bin") == versions[0].content)
    }

    @Test("A chunk is not confirmed for an upload that another host gives up at its completion")
    func givenUpByAnother() throws {
        let engine = MemoryEngine(now: { 1_800_000_000 })
        let scratch = try TemporaryFolder()
        var generator = SplitMix64(seed: 3)
        let file = try SimulatedFile(
            "id", "name.bin", content(3 * SimulationTests.part, &generator), chunkSizes: [SimulationTests.part],
            isForced: true)
        let other = try host(engine, scratch)
        // It closes the ledger with its first chunk, and creates the end with its second one.
        let host = try host(engine, scratch, inFrontOf: "CREATE") {
            #expect(throws: Never.self) {
                let look = try other.look(file.id)
                guard case .live(let claim) = look.phase, let generation = look.generation?.name else { return }
                let isEnd = try other.create(look.folder, generation, .end) {
                    Ending.finishing(settles: false).write(to: &$0)
                }
                #expect(try isEnd && other.endWithoutFile(look.folder, generation, claim))
                try other.clear(look.folder, generation)
            }
        }
        _ = try send(file, 0, to: other)
        for index in 1..<3 { #expect(try send(file, index, to: host) == .stored) }
        #expect(try other.status(of: file.chunks[2])?.receipt != nil, "it has begun another upload")
        #expect(try other.status(of: file.chunks[1])?.receipt == nil)
        for index in 0..<2 { _ = try send(file, index, to: host) }
        #expect(engine.body("name.bin") == file.content)
    }

    @Test("A file that somebody else puts under the name at the last moment stays, and the client learns of it")
    func outsider() throws {
        let engine = MemoryEngine(now: { 1_800_000_000 })
        let scratch = try TemporaryFolder()
        var generator = SplitMix64(seed: 2)
        let file = try SimulatedFile(
            "id", "name.bin", content(3 * SimulationTests.part, &generator), chunkSizes: [SimulationTests.part],
            isForced: true)
        let other = MemoryEngine.Object(body: [1], metadata: [:], modified: engine.now())
        // In front of the last part.
        let host = try host(engine, scratch, inFrontOf: "PART") {
            engine.contents.withLock { $0.objects["name.bin"] = other }
        }
        _ = try send(file, 0, to: host)
        _ = try send(file, 1, to: host)
        engine.contents.withLock { $0.calls = [:] }
        #expect {
            try send(file, 2, to: host)
        } throws: { error in
            if case .untrusted? = error as? StoreError { true } else { false }
        }
        #expect(engine.contents.withLock { $0.calls["LIST"] } == 1, "to remove what is left")
        #expect(engine.body("name.bin") == [1] && engine.contents.withLock { $0.multiparts.isEmpty })
        for index in 0..<3 { _ = try send(file, index, to: host) }
        #expect(engine.body("name (1).bin") == file.content)
    }

    /// The last chunk gets no answer then, so its client sends it again, to whichever host (`SimulationTests`). If the
    /// client is gone as well, the host's next start finds the upload, as does the next sweep of another one.
    @Test(
        "If a host dies with the last chunk and its client is gone, what is held is published",
        arguments: [true, false])
    func lastChunkWithoutClient(_ isAlone: Bool) throws {
        var generator = SplitMix64(seed: 5)
        for chunkSize in [SimulationTests.part, SimulationTests.part / 4] {
            let file = try SimulatedFile(
                "id", "name.bin", content(3 * SimulationTests.part, &generator), chunkSizes: [chunkSize],
                isForced: true)
            var (call, hasDied, recovered) = (0, true, 0)
            while hasDied {
                let simulation = try Simulation(seed: UInt64(call), Faults())
                let first = isAlone ? [] : file.chunks.dropLast()
                for chunk in first { try simulation.perform(.chunk(file, chunk), on: simulation.calmHost()) }
                hasDied = try simulation.send(
                    file.chunks.dropFirst(first.count).map { (file, $0) }, dyingAt: call, after: true, then: nil)
                let next = simulation.calmHost()
                let look = try next.look(file.id)
                let isHeld =
                    switch look.phase {
                    case .none: false
                    case .live(let claim): look.holdings(claim).isComplete
                    case .finishing, .whole, .finished: true
                    }
                #expect(next.recover().isEmpty)
                #expect((simulation.engine.body("files/name.bin") == file.content) == isHeld, "call \(call)")
                recovered += isHeld ? 1 : 0
                call += 1
            }
            #expect(recovered > 5)
        }
    }
}
