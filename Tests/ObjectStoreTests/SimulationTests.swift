import Glibc
import Linux
import TestSupport
import Testing
import UploadModel
import UploadStore

@testable import ObjectStore

/// Bytes that depend on a seed and on their place.
func content(_ count: Int, _ generator: inout SplitMix64) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next() >> 32) }
}

@Suite("Hosts that share a bucket, and die") struct SimulationTests {
    static let part = 16 << 10

    /// Ways of cutting files: chunk sizes, and whether the remainder is a chunk of its own.
    private static let cuts: [(sizes: [Int], isForced: Bool)] = [
        ([part], false), ([part], true), ([part / 4], false), ([part / 4], true), ([part * 3 / 5 + 77], true),
        ([part / 4, part], false), ([part, part / 4], true), ([part, part + 4096], false), ([part * 20], true),
    ]

    static func files(_ seed: UInt64) throws -> [SimulatedFile] {
        var generator = SplitMix64(seed: seed)
        return try (0..<6).map { number in
            let cut = SimulationTests.cuts[Int(generator.next() % UInt64(SimulationTests.cuts.count))]
            let parts = Int(generator.next() % 4)
            let size = parts * SimulationTests.part + [0, 1, 1234, 4096][Int(generator.next() % 4)]
            return try SimulatedFile(
                "\(seed) \(number)", number % 2 == 0 ? "same.bin" : "\(number).bin", content(size, &generator),
                chunkSizes: cut.sizes, isForced: cut.isForced)
        }
    }

    private func run(_ seed: UInt64, _ faults: Faults, settings: StoreSettings = StoreSettings(expire: 0)) throws {
        let simulation = try Simulation(seed: seed, faults, settings: settings)
        var generator = SplitMix64(seed: seed &+ 1000)
        let files = try SimulationTests.files(seed)
        var jobs: [Simulation.Job] = []
        for file in files {
            for chunk in file.chunks {
                jobs.append(.chunk(file, chunk))
                if generator.next() % 5 == 0 { jobs.append(.chunk(file, chunk)) }
                if generator.next() % 5 == 0 { jobs.append(.test(file, chunk)) }
            }
        }
        // Several uploads at a time.
        for index in jobs.indices where generator.next() % 3 == 0 {
            jobs.swapAt(index, min(jobs.count - 1, index + Int(generator.next() % 20)))
        }
        jobs.insert(.removal(files[0]), at: jobs.count / 3)
        jobs.insert(.sweep, at: jobs.count / 2)
        try simulation.run(jobs)
        try simulation.check(files, "seed \(seed)")
    }

    @Test("Without faults, each file is there once and right", arguments: 0..<20 as Range<UInt64>)
    func calm(_ seed: UInt64) throws { try run(seed, Faults()) }

    @Test(
        "With a death at one call in thirty, each file is there once and right", arguments: 100..<140 as Range<UInt64>)
    func deaths(_ seed: UInt64) throws { try run(seed, Faults(death: 1.0 / 60)) }

    @Test("With lost answers and failures, each file is there once and right", arguments: 200..<220 as Range<UInt64>)
    func lostAnswers(_ seed: UInt64) throws { try run(seed, Faults(repetition: 0.1, failure: 0.03)) }

    @Test("With all faults, each file is there once and right", arguments: 300..<320 as Range<UInt64>)
    func allFaults(_ seed: UInt64) throws { try run(seed, Faults(death: 0.01, repetition: 0.05, failure: 0.02)) }

    @Test("With a death at any call, before or after it, the next host goes on", arguments: cuts.indices)
    func deathAtEachCall(_ cut: Int) throws {
        var generator = SplitMix64(seed: UInt64(cut))
        let (sizes, isForced) = SimulationTests.cuts[cut]
        let file = try SimulatedFile(
            "\(cut)", "name.bin", content(2 * SimulationTests.part + 1234, &generator), chunkSizes: sizes,
            isForced: isForced)
        var call = 0
        var hasDied = true
        while hasDied {
            for isAfter in [false, true] {
                let simulation = try Simulation(seed: UInt64(call), Faults())
                hasDied = try simulation.send(file, dyingAt: call, after: isAfter)
                try simulation.check([file], "cut \(cut), call \(call), after it: \(isAfter)")
            }
            call += 1
        }
        // A file of one chunk takes 7 calls, and others more.
        #expect(call > 6)
    }

    @Test("A token's quota counts each upload once, whichever hosts begin it", arguments: 600..<630 as Range<UInt64>)
    func quota(_ seed: UInt64) throws {
        let simulation = try Simulation(seed: seed, Faults(death: 0.01, repetition: 0.05, failure: 0.02))
        var generator = SplitMix64(seed: seed)
        let quota = TokenQuota(tokenID: "token", limit: 4)
        let files = try (0..<5).map { number in
            try SimulatedFile(
                "\(number)", "\(number).bin", content(3000, &generator), chunkSizes: [number % 2 == 0 ? 1000 : 5000],
                isForced: true, quota: quota)
        }
        // Each chunk twice, so that hosts begin the same uploads at the same time.
        let jobs = files.dropLast().flatMap { file in
            (file.chunks + file.chunks).map { Simulation.Job.chunk(file, $0) }
        }
        try simulation.run(jobs)
        let host = simulation.calmHost()
        #expect(throws: StoreError.quotaUsedUp(limit: 4)) {
            try simulation.perform(.chunk(files[4], files[4].chunks[0]), on: host)
        }
        try simulation.check(Array(files.dropLast()), "seed \(seed)")
    }

    /// More seeds than a test of every day needs: `SIMULATED_SEEDS=1000 swift test --filter SimulationTests`.
    private static let moreSeeds = getenv("SIMULATED_SEEDS").flatMap { UInt64(String(cString: $0)) } ?? 0

    @Test(
        "With all faults and many seeds, each file is there once and right",
        .enabled(if: moreSeeds > 0, "SIMULATED_SEEDS"))
    func manySeeds() throws {
        let first = getenv("SIMULATED_FIRST").flatMap { UInt64(String(cString: $0)) } ?? 10_000
        for seed in first..<first + SimulationTests.moreSeeds {
            try versions(seed)
            try run(seed, Faults(death: 0.004 * Double(seed % 4), repetition: 0.05, failure: 0.02))
        }
    }

    @Test(
        "An upload expires or goes on: what a test calls held is not lost to a sweep",
        arguments: 400..<430 as Range<UInt64>)
    func expiry(_ seed: UInt64) throws {
        let simulation = try Simulation(
            seed: seed, Faults(repetition: 0.05, failure: seed % 2 == 0 ? 0 : 0.02),
            settings: StoreSettings(expire: 4000))
        let files = try SimulationTests.files(seed).filter { $0.chunks.count > 1 }
        var jobs: [Simulation.Job] = []
        for file in files { for chunk in file.chunks.dropLast() { jobs.append(.chunk(file, chunk)) } }
        let first = simulation.schedule.time
        try simulation.run(jobs)
        // Until about the time at which the uploads expire.
        let passed = simulation.schedule.time - first
        simulation.schedule.wait(seconds: 3990 - min(passed, 3900))
        try simulation.runAgain(
            files.flatMap { [.resumption($0), .sweep] } + [Simulation.Job](repeating: .sweep, count: 10))
        try simulation.check(files, "seed \(seed)", expire: true)
    }

    @Test("Of two versions of a file, each is there after it was sent", arguments: 500..<540 as Range<UInt64>)
    func versions(_ seed: UInt64) throws {
        let simulation = try Simulation(seed: seed, Faults(death: seed % 2 == 0 ? 0 : 0.01, repetition: 0.03))
        var generator = SplitMix64(seed: seed)
        let chunkSize = [SimulationTests.part / 4, SimulationTests.part, SimulationTests.part * 20][Int(seed % 3)]
        let size = 2 * SimulationTests.part + 1234
        let versions = try (0..<2).map { _ in
            try SimulatedFile(
                "id", "name.bin", content(size, &generator), chunkSizes: [chunkSize], isForced: seed % 2 == 0)
        }
        var jobs: [Simulation.Job] = []
        for chunk in versions[0].chunks.indices {
            for version in versions { jobs.append(.chunk(version, version.chunks[chunk])) }
        }
        try simulation.run(jobs)
        try simulation.check(versions: versions, "seed \(seed)")
    }
}
