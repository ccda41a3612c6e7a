import Linux
import TestSupport
import Testing
import UploadModel
import UploadStore

@testable import ObjectStore
@testable import S3

/// An upload that ends without a file gives back its name and its parts, also if calls fail or its host dies.
@Suite("What is left of uploads that end without a file") struct ClearingTests {
    private static let day: UInt64 = 24 * 3600

    /// Which calls of a host fail.
    private enum Failure: Sendable {
        case none
        /// Those with this name.
        case named(Set<String>)
        /// All from this one on: the host has died.
        case from(Int)
    }

    private let time = Lock<UInt64>(1_800_000_000)
    private let engine: MemoryEngine
    private let scratch: TemporaryFolder
    private let failure = Lock(Failure.none)
    private let calls = Lock(0)

    init() throws {
        engine = MemoryEngine { [time] in time.withLock { $0 } }
        scratch = try TemporaryFolder()
    }

    private func wait(seconds: UInt64) { time.withLock { $0 += seconds } }

    /// Lets calls of the hosts fail that were opened with `fails`.
    private func fail(_ next: Failure) {
        failure.withLock { $0 = next }
        calls.withLock { $0 = 0 }
    }

    private func host(fails: Bool = false, _ settings: StoreSettings = StoreSettings(expire: 0)) throws -> ObjectStore {
        let bucket = MemoryBucket(engine) { [failure, calls] name, make throws(S3Error) in
            let number = calls.withLock { calls in
                calls += 1
                return calls
            }
            let hasFailed =
                switch failure.withLock({ $0 }) {
                case .none: false
                case .named(let names): names.contains(name)
                case .from(let first): number >= first
                }
            if fails && hasFailed { throw .unreachable(S3Cause(operation: name, message: "simulated")) }
            if let error = make() { throw error }
        }
        return ObjectStore(
            bucket, prefix: "", settings: settings, scratch: try LinuxDirectory.root(scratch.path),
            lengths: Simulation.lengths, now: { [time] in time.withLock { $0 } },
            random: { .random(in: .min ... .max) }, observe: { _ in }, admit: { _, _ throws(StoreError) in })
    }

    private func file(
        _ identifier: String = "id", parts: Int = 3, seed: UInt64 = 1
    ) throws -> SimulatedFile {
        var generator = SplitMix64(seed: seed)
        return try SimulatedFile(
            identifier, "name.bin", content(parts * SimulationTests.part, &generator),
            chunkSizes: [SimulationTests.part], isForced: true)
    }

    private func send(_ file: SimulatedFile, _ indices: Range<Int>? = nil, to host: ObjectStore) throws {
        for index in indices ?? file.chunks.indices {
            let writer = try host.receive(file.chunks[index])
            try Array(file.bytes(of: file.chunks[index])).withBytes { try writer.write($0) }
            _ = try writer.commit()
        }
    }

    private var names: Int { engine.keys.filter { $0.hasPrefix(".resumabled/name/") }.count }
    private var multiparts: Int { engine.contents.withLock { $0.multiparts.count } }
    private var files: [String] { engine.keys.filter { !$0.hasPrefix(".resumabled/") } }
    private var records: [String] { engine.keys.filter { $0.contains("/c/") } }

    @Test("A removal gives the name back although the multipart upload cannot be aborted")
    func nameIsFree() throws {
        let host = try host(fails: true)
        try send(file(), 0..<2, to: host)
        fail(.named(["ABORT"]))
        _ = try host.remove(file().id)
        #expect(multiparts == 1 && names == 0 && records.isEmpty)
        // Of another upload.
        try send(file("other"), to: host)
        #expect(files == ["name.bin"])
    }

    @Test("The next request aborts it, a removal too, and so does a sweep", arguments: 0..<3)
    func carryOn(_ way: Int) throws {
        let host = try host(fails: true)
        try send(file(), 0..<2, to: host)
        fail(.named(["ABORT"]))
        _ = try host.remove(file().id)
        #expect(throws: StoreError.busy, "the request that removes it may be at work") {
            try send(file(), 0..<1, to: host)
        }
        wait(seconds: ObjectStore.clearingSeconds)
        fail(.none)
        switch way {
        case 0:
            try send(file(), to: host)
            #expect(files == ["name.bin"])
        case 1: _ = try host.remove(file().id)
        default: #expect(host.sweep().failures.isEmpty)
        }
        #expect(multiparts == 0 && names == 0)
        let left = engine.keys.count
        #expect(host.sweep().failures.isEmpty)
        #expect(engine.keys.count == left, "nothing is left to do")
    }

    @Test("An engine that aborts nothing does not keep an upload from being sent again")
    func neverAborted() throws {
        let host = try host(fails: true)
        fail(.named(["ABORT"]))
        for time in 0..<2 {
            try send(file(seed: UInt64(time)), 0..<2, to: host)
            _ = try host.remove(file().id)
            wait(seconds: ObjectStore.clearingSeconds)
        }
        #expect(!host.sweep().failures.isEmpty, "the operator learns of it")
        try send(file(), to: host)
        #expect(files == ["name.bin"])
    }

    /// The ways in which an upload can end without a file.
    enum End: CaseIterable {
        case removed, superseded, expired
        /// The engine loses its multipart upload, before or after the last chunk.
        case lost, lostWhileFinishing
        /// It is a file of one chunk whose name somebody else has taken.
        case lostWhole
    }

    @Test("A host may die at any call that ends an upload", arguments: End.allCases)
    func deathAtEachCall(_ end: End) throws {
        var call = 1
        var isOver = false
        while !isOver {
            let other = try ClearingTests()
            isOver = try other.end(end, dyingAt: call)
            try other.check(end, "call \(call)")
            call += 1
        }
        #expect(call > 5)
    }

    /// Ends an upload on a host that dies.
    ///
    /// - Returns: true if it has not made so many calls.
    private func end(_ end: End, dyingAt call: Int) throws -> Bool {
        let settings = StoreSettings(expire: end == .expired ? 7200 : 0)
        let (host, dying) = (try host(settings), try host(fails: true, settings))
        switch end {
        case .removed:
            try send(file(), 0..<2, to: host)
            fail(.from(call))
            _ = try? dying.remove(file().id)
        case .superseded:
            var other = try file(parts: 3, seed: 2).chunks[0]
            var first = try file().chunks[0]
            (first.lastModified, other.lastModified) = (1, 2)
            let writer = try host.receive(first)
            try Array(file().bytes(of: first)).withBytes { try writer.write($0) }
            _ = try writer.commit()
            wait(seconds: 100)
            fail(.from(call))
            _ = try? dying.receive(other)
        case .expired:
            try send(file(), 0..<2, to: host)
            wait(seconds: 10_000)
            fail(.from(call))
            _ = dying.sweep()
        case .lost:
            try send(file(), 0..<1, to: host)
            engine.contents.withLock { $0.multiparts = [:] }
            fail(.from(call))
            try? send(file(), 1..<2, to: dying)
        case .lostWhileFinishing:
            try send(file(), 0..<2, to: host)
            wait(seconds: 1)
            fail(.named(["COMPLETE"]))
            #expect(throws: StoreError.self) { try send(file(), 2..<3, to: dying) }
            engine.contents.withLock { $0.multiparts = [:] }
            wait(seconds: 1000)
            fail(.from(call))
            #expect(throws: StoreError.self) { try dying.status(of: file().chunks[0]) }
        case .lostWhole:
            // Its host dies in front of the file.
            fail(.named(["PUT"]))
            #expect(throws: StoreError.self) {
                try send(file(parts: 1), to: dying)
            }
            wait(seconds: 1000)
            fail(.from(call))
            _ = try? dying.status(of: file(parts: 1).chunks[0])
        }
        return calls.withLock { $0 } < call
    }

    private func check(_ end: End, _ context: String) throws {
        fail(.none)
        let settings = StoreSettings(expire: end == .expired ? 7200 : 0)
        let host = try host(settings)
        wait(seconds: 1000)
        // Nothing has to be swept for the upload to be sent again, under its name.
        let again = try file(parts: end == .lostWhole ? 1 : 3)
        for _ in 0..<3 where files.isEmpty { try? send(again, to: host) }
        #expect(files == ["name.bin"], "\(end), \(context)")
        #expect(engine.body("name.bin") == again.content, "\(end), \(context)")
        #expect(multiparts == 0 && names == 0 && records.isEmpty, "\(end), \(context)")
    }

    @Test("Outcomes without a file stay for a day, also if nothing expires", arguments: End.allCases)
    func outcomes(_ end: End) throws {
        _ = try self.end(end, dyingAt: .max)
        fail(.none)
        let host = try host()
        wait(seconds: 3 * 3600)
        #expect(host.sweep().failures.isEmpty)
        // Of an upload that was superseded, the next one is there.
        if end == .superseded { _ = try host.remove(file().id) }
        #expect(engine.keys.contains { $0.hasSuffix(".end") || $0.hasSuffix(".done") })
        // A sweep that removes something makes a later one necessary.
        for _ in 0..<2 {
            wait(seconds: ClearingTests.day)
            #expect(host.sweep().failures.isEmpty)
        }
        #expect(engine.keys == [])
    }

    @Test("An end of a host that was stopped until its upload was forgotten stays for a day")
    func orphan() throws {
        let host = try host()
        try send(file(), to: host)
        let (folder, generation) = (host.keys.upload(UploadKey(try file().id)), Generation.Name(0x7a121))
        let kept = engine.keys
        #expect(try host.create(folder, generation, .end) { Ending.finishing(settles: false).write(to: &$0) })
        wait(seconds: ClearingTests.day)
        #expect(host.sweep().failures.isEmpty)
        #expect(engine.keys == kept.filter { $0 == "name.bin" })
        try send(file(seed: 2), to: host)
        #expect(files.count == 2)
    }
}
