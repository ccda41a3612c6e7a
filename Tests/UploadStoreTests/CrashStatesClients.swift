import Glibc
import Linux
import StoreTestSupport
import TestSupport
import UploadModel

@testable import UploadStore

// The clients of a crash test. They send their chunks through one or two stores, piece by piece and interleaved, and
// record the responses.

/// A promise that was not kept.
struct Violation: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// State of the clients that the observer of the disk reads.
final class Diary: Sendable {
    private let ledger: Lock<Ledger>

    init(_ ledger: Ledger) { self.ledger = Lock(ledger) }

    var now: Ledger { ledger.withLock { $0 } }
    func write(_ change: (inout Ledger) -> Void) { ledger.withLock { change(&$0) } }
}

/// All clients that upload to one disk.
struct Clients {
    /// A chunk that is being sent.
    struct Sending {
        var client: Int
        var chunk: Int
        var version: Int
        var writer: any ChunkWriter
        var rest: ArraySlice<UInt8>
    }

    let plan: CrashPlan
    let disk: MemoryDisk
    let diary: Diary
    var generator: SplitMix64
    /// True once another program has damaged data files: then an upload may be refused once.
    var isDamaged = false
    /// A generator of its own for deliveries, so that the uploads are the same with and without them.
    private var deliveries = SplitMix64(seed: 1)

    init(plan: CrashPlan, disk: MemoryDisk, diary: Diary, generator: SplitMix64) {
        self.plan = plan
        self.disk = disk
        self.diary = diary
        self.generator = generator
    }

    /// The result of a step.
    private enum Result<Value> {
        case done(Value)
        /// Another client holds the range, or a disk call failed: try again.
        case postponed
        case refused
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &generator) < percent }

    private func attempt<Value>(_ client: Int, _ work: () throws -> Value) throws -> Result<Value> {
        do { return .done(try work()) } catch let error as StoreError {
            switch error {
            case .busy: return .postponed
            case .failed(let cause) where cause.isDeadlock: return .postponed
            case .nameTaken where plan.settings.onConflict == .refuse:
                diary.write { $0.uploads[client].isRefused = true }
                return .refused
            default:
                if isDamaged, case .untrusted = error {
                    diary.write { $0.giveUp(client) }
                    return .postponed
                }
                guard !disk.failures.isEmpty else {
                    throw Violation("\(plan.clients[client].id.identifier) was told: \(error)")
                }
                // The upload may have been removed.
                let failedSyncs = disk.inspect { $0.failedSyncs }
                diary.write { ledger in
                    ledger.syncFailed = true
                    ledger.failedSyncs = failedSyncs
                    ledger.giveUp(client)
                }
                return .postponed
            }
        }
    }

    /// Begins to send a chunk; nil if it has to be tried again.
    mutating func begin(_ client: Int, _ chunk: Int, version: Int, to store: LocalStore) throws -> Sending? {
        let uploader = plan.clients[client]
        guard let request = request(client, chunk, open: uploader.leavesLengthsOpen && chance(70)) else { return nil }
        diary.write { $0.begin(client, chunk, version) }
        switch try attempt(client, { try store.receive(request) }) {
        case .done(let writer):
            let bytes = uploader.versions[version][uploader.chunks[chunk].range]
            return Sending(client: client, chunk: chunk, version: version, writer: writer, rest: bytes)
        case .postponed, .refused:
            diary.write { $0.end(client, chunk, version) }
            return nil
        }
    }

    private mutating func request(_ client: Int, _ chunk: Int, open: Bool) -> ChunkRequest? {
        let uploader = plan.clients[client]
        let counted =
            switch uploader.dialect {
            case .sized: false
            case .counted: true
            case .both: chance(50)
            }
        return uploader.request(chunk, counted: counted, open: open)
    }

    /// The state of a chunk after a step.
    enum Progress { case goesOn, acknowledged, failed }

    /// Sends the next piece of a chunk, or commits it.
    mutating func advance(_ sending: inout Sending, to store: LocalStore) throws -> Progress {
        let (client, chunk, version) = (sending.client, sending.chunk, sending.version)
        guard sending.rest.isEmpty else {
            let piece = Array(sending.rest.prefix(Int.random(in: 1...13, using: &generator)))
            sending.rest = sending.rest.dropFirst(piece.count)
            let writer = sending.writer
            if case .done = try attempt(client, { try piece.withUnsafeBytes { try writer.write($0) } }) {
                return .goesOn
            }
            diary.write { $0.end(client, chunk, version) }
            return .failed
        }
        let writer = sending.writer
        guard case .done(let receipt) = try attempt(client, { try writer.commit() }) else {
            diary.write { $0.end(client, chunk, version) }
            return .failed
        }
        switch receipt.effect {
        case .stored:
            break
        case .completed(let path):
            diary.write { ledger in
                ledger.acknowledge(client, chunk, version)
                ledger.complete(client, isNow: true)
            }
            try expectWhole(path, client)
            return .acknowledged
        case .duplicate:
            // A chunk of a finished file says nothing: it gets its 200 and changes nothing.
            guard let answer = try test(client, chunk, store) else {
                diary.write { $0.end(client, chunk, version) }
                return .failed
            }
            if answer.isComplete { break }
        }
        diary.write { $0.acknowledge(client, chunk, version) }
        return .acknowledged
    }

    /// Abandons a chunk.
    func drop(_ sending: Sending) {
        diary.write { $0.end(sending.client, sending.chunk, sending.version) }
    }

    /// Tests for a chunk; nil if it has to be tried again.
    mutating func test(_ client: Int, _ chunk: Int, _ store: LocalStore) throws -> (isHeld: Bool, isComplete: Bool)? {
        guard let request = request(client, chunk, open: false),
            case .done(let status) = try attempt(client, { try store.status(of: request) })
        else { return nil }
        if status?.complete == true { diary.write { $0.complete(client, isNow: false) } }
        return (status?.receipt != nil, status?.complete == true)
    }

    /// Delivers an owed event of one upload, or fails to, as a dispatcher does.
    mutating func deliver(from store: LocalStore) throws {
        let outbox = Outbox(store)
        do throws(StoreError) {
            guard let key = try outbox.events().events.randomElement(using: &deliveries)?.key,
                let lease = try outbox.lease(key, for: CrashPlan.recipient)
            else { return }
            while let event = try lease.next() {
                if Int.random(in: 0..<100, using: &deliveries) < 30 {
                    return try lease.failed(event, Attempts(count: 1, next: disk.time, reason: "nobody is there"))
                }
                if let client = plan.clients.firstIndex(where: { $0.id == event.upload.id }) {
                    diary.write { $0.tell(client, event.id) }
                }
                try lease.delivered(event)
            }
        } catch {
            if disk.failures.isEmpty && !disk.isDead { throw Violation("an event could not be delivered: \(error)") }
        }
    }

    private func expectWhole(_ path: String, _ client: Int) throws {
        let ledger = diary.now
        let state = disk.inspect { $0 }
        guard let bytes = state.files[path], plan.clients[client].isFile(bytes, ledger.uploads[client]) else {
            throw Violation("\(path) is not whole at the moment of its completion")
        }
    }
}

extension CrashPlan.Client {
    /// True if these bytes are the file, by the ledger's versions of its chunks.
    func isFile(_ bytes: [UInt8], _ upload: Ledger.Upload) -> Bool {
        guard bytes.count == versions[0].count else { return false }
        return chunks.indices.allSatisfy { index in
            let range = chunks[index].range
            return upload.chunks[index].allowed.contains { versions[$0][range] == bytes[range] }
        }
    }
}

extension MemoryDisk.State {
    /// All files outside the store's own folder: path below the root, and bytes.
    var files: [String: [UInt8]] { files(in: 1, "") }

    private func files(in folder: UInt64, _ path: String) -> [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        for (name, node) in nodes[folder]?.entries ?? [:] where path + name != LocalStore.stateFolder {
            if nodes[node]?.isFolder == true {
                found.merge(files(in: node, path + name + "/")) { one, _ in one }
            } else {
                found[path + name] = nodes[node]?.bytes ?? []
            }
        }
        return found
    }

    /// A description of the disk's files.
    var story: String {
        nodes.sorted { $0.key < $1.key }.map { number, node in
            let size = node.isFolder ? "folder" : "\(node.file.size) bytes"
            let names = node.entries.sorted { $0.value < $1.value }.map { "\($0.key) -> \($0.value)" }
            return "\(number): \(size), \(node.file.doubts + node.folder.doubts) in doubt \(names)"
        }.joined(separator: "\n")
    }

    /// The names in the store's own folder.
    var stateNames: [String] {
        guard let folder = nodes[1]?.entries[LocalStore.stateFolder] else { return [] }
        return (nodes[folder]?.entries ?? [:]).keys.sorted()
    }
}
