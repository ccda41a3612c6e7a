import Glibc
import Linux
import StoreConformance
import Synchronization
import TestSupport
import Testing
import UploadStore

@testable import ObjectStore
@testable import S3

/// A store in a bucket. Each opening is a host of its own.
private final class ObjectStoreUnderTest: StoreUnderTest {
    private let time = Atomic(UInt64(Glibc.time(nil)))
    private let scratch: TemporaryFolder
    private let folder: LinuxDirectory
    private let prefix: String
    private let bucket: @Sendable (@escaping @Sendable () -> UInt64) throws -> any ObjectBucket
    private let opened = Lock<(any ObjectBucket)?>(nil)

    init(
        prefix: String, _ bucket: @escaping @Sendable (@escaping @Sendable () -> UInt64) throws -> any ObjectBucket
    ) throws {
        scratch = try TemporaryFolder()
        folder = try LinuxDirectory.root(scratch.path)
        self.prefix = prefix
        self.bucket = bucket
    }

    func open(
        _ settings: StoreSettings, observe: @escaping StoreObserver, admit: @escaping Admission
    ) throws -> any ManagedStore {
        ObjectStore(
            try access(), prefix: prefix, settings: settings, scratch: folder,
            now: { [self] in time.load(ordering: .relaxed) }, observe: observe, admit: admit)
    }

    private func access() throws -> any ObjectBucket {
        if let known = opened.withLock({ $0 }) { return known }
        let new = try bucket { [self] in time.load(ordering: .relaxed) }
        opened.withLock { $0 = new }
        return new
    }

    func files() throws -> [String] {
        try access().listAll(prefix).map { String($0.key.dropFirst(prefix.count)) }
            .filter { !$0.hasPrefix(".resumabled/") }.sorted()
    }

    func bytes(of path: String) throws -> [UInt8]? {
        let bucket = try access()
        do throws(S3Error) { return try bucket.get(prefix + path) } catch {
            if case .noSuchKey = error { return nil }
            throw error
        }
    }

    /// Every call to an engine costs a millisecond, and the machine's speed makes no difference in memory.
    var repetitions: Int { 3 }

    func wait(seconds: UInt64) { time.add(seconds, ordering: .relaxed) }
}

@Suite struct ObjectStoreConformance {
    @Test("The store in a bucket in memory keeps its promise", arguments: Promise.withoutCounts)
    func keepsInMemory(_ promise: Promise) throws {
        try promise.check(ObjectStoreUnderTest(prefix: "files/") { MemoryBucket(MemoryEngine(now: $0)) })
    }

    @Test(
        "The store in a bucket of a real engine keeps its promise",
        .enabled(if: Engine.isThere, Engine.absence),
        arguments: Promise.withoutCounts)
    func keepsOnEngine(_ promise: Promise) throws {
        let bucket = try Engine.bucket()
        let prefix = Engine.prefix()
        try promise.check(ObjectStoreUnderTest(prefix: prefix) { _ in bucket })
    }
}
