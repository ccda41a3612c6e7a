import Glibc
import StoreTestSupport
import TestSupport
import Testing

@testable import UploadStore

// A seeded workload is interrupted at every disk call, by the death of the process or by a power cut. Each time the
// store is opened again and recovers, the clients go on, and every promise is checked. PowerCut.swift describes the
// disk after a crash.
//
//     CRASH_STATES=n        the number of crashes; half of as many more for failed syncs
//     CRASH_STATE=a.b.c     only one crash, with a trace: the seed of the workload, its failing call or 0, and the
//     crash,
//                           as a failure message names them
//
// An optimised build tries five times as many in the same time:
//
//     swift test -c release -Xswiftc -enable-testing --disable-xctest --filter CrashStates

@Suite struct CrashStatesTests {
    #if DEBUG
        private static let standard = 8_000
    #else
        private static let standard = 100_000
    #endif

    private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
    private static let total = environment("CRASH_STATES").flatMap { Int($0) } ?? standard
    private static let isOne = environment("CRASH_STATE") != nil
    /// One thread for each processor.
    private static let shards = 4
    /// The test stops after so many failures.
    private static let maximumFailures = 3

    @Test("After a crash at any disk call, every promise holds", .disabled(if: isOne), arguments: 0..<shards)
    func everyCall(shard: Int) throws {
        try explore(shard, of: Self.total * 3 / 4) { seed in [Workload(seed: seed)] }
    }

    @Test(
        "After a failed sync, no upload is complete that a power cut could take", .disabled(if: isOne),
        arguments: 0..<shards)
    func failedSyncs(shard: Int) throws {
        try explore(shard, of: Self.total / 4) { seed in
            let syncs = try Workload(seed: seed).run().syncs
            var generator = SplitMix64(seed: seed)
            return syncs.shuffled(using: &generator).prefix(2).map { Workload(seed: seed, failing: $0) }
        }
    }

    @Test(
        "If one of two processes dies in a failed sync, the other one trusts nothing that depends on it",
        .disabled(if: isOne), arguments: 0..<shards)
    func deathInSync(shard: Int) throws {
        try explore(shard, of: Self.total / 4) { seed in
            let syncs = try Workload(seed: seed).run().syncs
            var generator = SplitMix64(seed: seed)
            return syncs.shuffled(using: &generator).prefix(2).map { Workload(seed: seed, failing: $0, kills: true) }
        }
    }

    @Test("One crash alone", .enabled(if: isOne))
    func one() throws {
        let name = Self.environment("CRASH_STATE") ?? ""
        let numbers = name.filter { $0 != "k" }.split(separator: ".").compactMap { Int($0) }
        try #require(numbers.count == 3, "CRASH_STATE is three numbers")
        let failing = numbers[1] > 0 ? numbers[1] : nil
        explore(Workload(seed: UInt64(numbers[0]), failing: failing, kills: name.contains("k")), only: numbers[2])
    }

    /// Tries the crashes of workloads with different seeds, until there were enough crashes or failures.
    private func explore(_ shard: Int, of total: Int, _ workloads: (UInt64) throws -> [Workload]) throws {
        var tried = 0
        var failed = 0
        var seed = UInt64(shard) + 1
        while tried < total / Self.shards && failed < Self.maximumFailures {
            for workload in try workloads(seed) where tried < total / Self.shards {
                let result = explore(workload)
                tried += result.tried
                failed += result.failed ? 1 : 0
            }
            seed += UInt64(Self.shards)
        }
        print("crash states: \(tried), in workloads of the seeds \(shard + 1) to \(seed - UInt64(Self.shards))")
    }

    /// Tries the crashes of one workload.
    ///
    /// - Returns: how many were tried, up to the first failure.
    @discardableResult
    private func explore(_ workload: Workload, only wanted: Int? = nil) -> (tried: Int, failed: Bool) {
        let pictures: [Picture]
        do { pictures = try workload.run(isTold: wanted == 0).pictures } catch {
            Issue.record("CRASH_STATE=\(workload.name).0, without any crash: \(error)")
            return (0, true)
        }
        var number = 0
        var tried = 0
        for picture in pictures {
            // The more changes a power cut may lose, the more seeds are tried.
            let cuts = min(6, 1 + picture.state.doubts)
            for crash in [Crash.kill] + Array(repeating: .powerCut, count: cuts) {
                number += 1
                if let wanted, wanted != number { continue }
                tried += 1
                let seed = workload.seed &* 1_000_003 &+ UInt64(number)
                var aftermath = Aftermath(workload.plan, picture, seed: seed, isTold: wanted != nil)
                if wanted != nil { print(workload.plan, picture.state.story, picture.ledger, separator: "\n") }
                do { try aftermath.check(after: crash) } catch {
                    Issue.record(
                        "CRASH_STATE=\(workload.name).\(number), \(crash) before \(picture.operation): \(error)")
                    return (tried, true)
                }
            }
        }
        return (tried, false)
    }
}
