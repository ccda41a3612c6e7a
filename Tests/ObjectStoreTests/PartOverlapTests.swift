import Linux
import Synchronization
import TestSupport
import Testing
import UploadModel
import UploadStore

@testable import ObjectStore

/// A client comes back with another chunk size, and a chunk lies across one that is held as a part.
@Suite("Chunks that lie across a part") struct PartOverlapTests {
    private final class Clock: Sendable {
        let time = Atomic<UInt64>(1_800_000_000)
        var now: UInt64 { time.load(ordering: .relaxed) }
    }

    private let clock = Clock()
    private let engine: MemoryEngine
    private let scratch: TemporaryFolder
    private let store: ObjectStore
    private let content = (0..<4 * (16 << 10)).map { UInt8(truncatingIfNeeded: $0 &* 31) }

    init() throws {
        scratch = try TemporaryFolder()
        engine = MemoryEngine { [clock] in clock.now }
        store = ObjectStore(
            MemoryBucket(engine), prefix: "", settings: StoreSettings(), scratch: try LinuxDirectory.root(scratch.path),
            lengths: Simulation.lengths, now: { [clock] in clock.now }, random: { .random(in: .min ... .max) },
            observe: { _ in }, admit: { _, _ throws(StoreError) in })
        try send(file(chunkSize: 16 << 10), 0)
    }

    private func file(chunkSize: Int, _ content: [UInt8]? = nil) throws -> SimulatedFile {
        try SimulatedFile("id", "name.bin", content ?? self.content, chunkSizes: [chunkSize], isForced: true)
    }

    private func send(_ file: SimulatedFile, _ index: Int) throws {
        let writer = try store.receive(file.chunks[index])
        try Array(file.bytes(of: file.chunks[index])).withBytes { try writer.write($0) }
        _ = try writer.commit()
    }

    private func held(_ file: SimulatedFile) throws -> [ByteRange] {
        try store.status(of: file.chunks[0])?.held.ranges ?? []
    }

    @Test("A chunk that ends at a block adds the bytes behind the part")
    func aligned() throws {
        let file = try file(chunkSize: 12 << 10)
        try send(file, 1)
        #expect(try held(file) == [ByteRange(first: 24 << 10)])
    }

    @Test("A chunk that begins inside a block, or has other bytes, begins the upload afresh", arguments: [true, false])
    func notComparable(isOther: Bool) throws {
        var content = content
        if isOther { content[13 << 10] ^= 1 }
        let file = try file(chunkSize: isOther ? 12 << 10 : 10_000, content)
        // Not while somebody may still be sending the file as it was held.
        #expect(throws: StoreError.busy) { try send(file, 1) }
        #expect(try held(file) == [ByteRange(first: 16 << 10)])
        clock.time.add(ObjectStore.quietSeconds, ordering: .relaxed)
        for index in file.chunks.indices { try send(file, (index + 1) % file.chunks.count) }
        #expect(try held(file) == [ByteRange(first: UInt64(content.count))])
        #expect(engine.contents.withLock { $0.objects["name.bin"]?.body } == content)
    }
}
