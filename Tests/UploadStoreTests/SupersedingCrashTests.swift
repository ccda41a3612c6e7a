import StoreTestSupport
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// A second file under the identity of a finished one, with a crash at every disk call: both files end whole.

@Suite struct SupersedingCrashTests {
    static let first = content(50)
    /// Other bytes in the second and the last of five chunks.
    static let second: [UInt8] = {
        var bytes = first
        bytes.replaceSubrange(10..<20, with: content(10, seed: 9))
        bytes.replaceSubrange(40..<50, with: content(10, seed: 9))
        return bytes
    }()

    private let chunks = Chunk.all(of: 50, size: 10)

    private func request(_ chunk: Chunk, modified: UInt64) throws -> ChunkRequest {
        let place = try ChunkRequest.Place.sized(total: 50, chunkSize: 10, chunk.layout())
        var request = try ChunkRequest(upload: uploadID(), number: UInt64(chunk.number), place: place)
        request.lastModified = modified
        return request
    }

    private func send(_ chunk: Chunk, of bytes: [UInt8], modified: UInt64, to store: LocalStore) throws {
        let writer = try store.receive(request(chunk, modified: modified))
        try writer.write(bytes[chunk.range])
        _ = try writer.commit()
    }

    private func store(_ disk: MemoryDisk, boot: UInt64, recipients: Recipients = []) throws -> LocalStore {
        try LocalStore(
            root: disk.root, boot: BootID(low: boot, high: 0), settings: StoreSettings(recipients: recipients)
        ) { disk.time }
    }

    @Test("Whichever disk call is the last before a crash, both files end whole", arguments: [Crash.kill, .powerCut])
    func everyCall(crash: Crash) throws {
        for call in 0..<1000 {
            let disk = MemoryDisk()
            disk.wait(seconds: 1_700_000_000)
            let before = try store(disk, boot: 1, recipients: Recipients(rawValue: 1))
            for chunk in chunks { try send(chunk, of: Self.first, modified: 1, to: before) }
            disk.die(after: call)
            var acknowledged: Set<Int> = []
            for chunk in chunks {
                do { try send(chunk, of: Self.second, modified: 2, to: before) } catch {
                    guard disk.isDead else { throw error }
                    break
                }
                acknowledged.insert(chunk.number)
            }
            let isOver = !disk.isDead

            let state = disk.inspect { $0 }
            let next = MemoryDisk(crash == .kill ? state.killed() : state.afterPowerCut(seed: UInt64(call)))
            let after = try store(next, boot: crash == .kill ? 1 : 2, recipients: Recipients(rawValue: 1))
            #expect(after.recover().isEmpty)
            for chunk in chunks {
                // Only after a power cut a client has to ask again for what was acknowledged.
                if crash == .kill && acknowledged.contains(chunk.number) { continue }
                if crash == .powerCut, try after.status(of: request(chunk, modified: 2))?.receipt != nil { continue }
                try send(chunk, of: Self.second, modified: 2, to: after)
            }
            next.wait(seconds: LocalStore.provisionalSeconds)
            after.finishWaiting()
            let files = next.inspect { $0.files }
            #expect(files == ["name.bin": Self.first, "name (1).bin": Self.second], "call \(call)")
            // The event of the first file is kept, and the second has its own.
            #expect(try Outbox(after).events().events.count == 2, "call \(call)")
            if isOver {
                #expect(call > 20)
                return
            }
        }
        Issue.record("the upload never ends")
    }
}
