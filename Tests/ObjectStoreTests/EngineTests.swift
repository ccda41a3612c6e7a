import Glibc
import Linux
import S3
import TestSupport
import Testing
import UploadModel
import UploadStore

@testable import ObjectStore

/// Files of several cells, on an engine that refuses parts of less than 5 MiB.
@Suite(
    "The object store on a real engine", .serialized, .enabled(if: Engine.isThere, Engine.absence))
struct EngineTests {
    private let scratch: TemporaryFolder
    private let prefix = Engine.prefix()

    init() throws { scratch = try TemporaryFolder() }

    private func host(_ settings: StoreSettings = StoreSettings()) throws -> ObjectStore {
        ObjectStore(
            try Engine.bucket(), prefix: prefix, settings: settings, scratch: try LinuxDirectory.root(scratch.path),
            now: { UInt64(time(nil)) })
    }

    private static func content(_ count: Int) -> [UInt8] {
        var generator = SplitMix64(seed: UInt64(count))
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            for index in stride(from: 0, to: count, by: 8) {
                var word = generator.next()
                for place in index..<min(index + 8, count) {
                    buffer[place] = UInt8(truncatingIfNeeded: word)
                    word >>= 8
                }
            }
            filled = count
        }
    }

    private func send(_ file: SimulatedFile, _ chunk: ChunkRequest, to host: ObjectStore) throws -> Receipt.Effect {
        let writer = try host.receive(chunk)
        try Array(file.bytes(of: chunk)).withBytes { try writer.write($0) }
        return try writer.commit().effect
    }

    @Test(
        "Two hosts store a file of several cells together, whatever the chunk size",
        arguments: [([5 << 20], false), ([1 << 20], true), ([3_000_001], true), ([1 << 20, 5 << 20], false)])
    func cells(_ sizes: [Int], _ isForced: Bool) throws {
        let content = EngineTests.content(12 << 20 + 12345)
        let file = try SimulatedFile("id", "name.bin", content, chunkSizes: sizes, isForced: isForced)
        let hosts = [try host(), try host()]
        var effects: [Receipt.Effect] = []
        for (index, chunk) in (file.chunks + file.chunks.prefix(1)).enumerated() {
            effects.append(try send(file, chunk, to: hosts[index % 2]))
            #expect(try hosts[(index + 1) % 2].status(of: chunk)?.receipt != nil)
        }
        #expect(effects.filter { $0 == .completed(path: "name.bin") }.count == 1)
        #expect(effects.last == .duplicate)
        let bucket = try Engine.bucket()
        let head = try bucket.head(prefix + "name.bin")
        #expect(head.size == UInt64(content.count))
        var found: [UInt8] = []
        for start in stride(from: 0, to: UInt64(content.count), by: 2 << 20) {
            let end = min(start + 2 << 20, UInt64(content.count))
            let piece = Lock<[UInt8]>([])
            try bucket.get(prefix + "name.bin", range: start..<end) { offset, bytes in
                piece.withLock { piece in
                    if offset == 0 { piece = [] }
                    piece += bytes
                }
                return true
            }
            found += piece.withLock { $0 }
        }
        #expect(found == content)
        // Nothing is left but the marks of the finished upload.
        let left = try bucket.listAll(prefix + ".resumabled/").map(\.key).filter {
            $0.contains("/c/") || $0.contains("/name/")
        }
        #expect(left.isEmpty, "\(left)")
        #expect(try bucket.openMultiparts(prefix).isEmpty)
    }

    @Test("A file replaces another one of its name, whatever their sizes")
    func replacement() throws {
        let host = try host(StoreSettings(onConflict: .replace))
        let cuts = [(0, 1 << 20), (1000, 1 << 20), (3 << 20, 1 << 20), (0, 1 << 20), (11 << 20, 5 << 20)]
        for (number, (size, chunkSize)) in cuts.enumerated() {
            let content = EngineTests.content(size)
            let file = try SimulatedFile("\(number)", "r.bin", content, chunkSizes: [chunkSize], isForced: true)
            for chunk in file.chunks { _ = try send(file, chunk, to: host) }
            #expect(try Engine.bucket().head(prefix + "r.bin").size == UInt64(size))
            if size < 8 << 20 { #expect(try Engine.bucket().get(prefix + "r.bin") == content) }
        }
        #expect(try Engine.bucket().openMultiparts(prefix).isEmpty)
    }

    @Test("A removed upload leaves no parts, and its late chunk begins another one")
    func removal() throws {
        let content = EngineTests.content(11 << 20)
        let file = try SimulatedFile("id", "name.bin", content, chunkSizes: [5 << 20], isForced: true)
        let (one, other) = (try host(), try host())
        for chunk in file.chunks.prefix(2) { _ = try send(file, chunk, to: one) }
        _ = try other.remove(file.id)
        #expect(try Engine.bucket().openMultiparts(prefix).isEmpty)
        #expect(try one.status(of: file.chunks[0]) == nil)
        for chunk in file.chunks { _ = try send(file, chunk, to: one) }
        #expect(try Engine.bucket().head(prefix + "name.bin").size == UInt64(content.count))
    }
}
