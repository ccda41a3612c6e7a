import Glibc
import Linux
import Synchronization
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// Helpers for the store's tests: a folder on the real file system, clients that cut files into chunks, and a collection
// for several threads.

/// A folder for stores, and their clock.
final class Site: Sendable {
    let folder: TemporaryFolder
    let time = Atomic<UInt64>(1_700_000_000)

    init() throws { folder = try TemporaryFolder() }

    /// A store as opened by a process that starts now.
    func store(
        boot: UInt64 = 1, _ settings: StoreSettings = StoreSettings(), elapsed: (@Sendable () -> UInt64)? = nil,
        observe: @escaping StoreObserver = { _ in }
    ) throws -> LocalStore {
        try LocalStore(
            root: LinuxDirectory.root(folder.path), boot: BootID(low: boot, high: 0), settings: settings,
            now: { [self] in time.load(ordering: .relaxed) }, elapsed: elapsed, observe: observe)
    }

    func wait(seconds: UInt64) { time.add(seconds, ordering: .relaxed) }

    /// The names in the root, without the store's own folder.
    var files: [String] { folder.names().filter { $0 != ".resumabled" } }
    /// The names in the store's own folder.
    var state: [String] { folder.names(in: ".resumabled") }

    func journalPath(_ id: UploadID) -> String { ".resumabled/" + UploadKey(id).journal }

    /// The path of the upload's data file, by its journal.
    func dataPath(_ id: UploadID) throws -> String {
        let (header, _) = try #require(folder.read(journalPath(id)).withUnsafeBytes { JournalHeader.decode($0) })
        return ".resumabled/" + UploadFiles(key: UploadKey(id), nonce: header.nonce).data
    }
}

func uploadID(_ identifier: String = "id", _ filename: String = "name.bin") throws -> UploadID {
    try UploadID(
        identifier: identifier, filename: FileName(filename, parameter: "filename"), parameter: "identifier")
}

/// Pseudo-random bytes, so that a chunk at a wrong offset is noticed.
func content(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var generator = SplitMix64(seed: seed)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next() >> 32) }
}

/// The two ways in which clients cut a file (PROTOCOL.md, Parameters).
enum Cut: CaseIterable { case lastTakesRest, forced }

/// A chunk as a client sees it.
struct Chunk {
    var number: Int
    var range: Range<Int>
    var chunkSize: Int
    var total: Int

    static func all(of total: Int, size: Int, _ cut: Cut = .forced) -> [Chunk] {
        let count =
            switch cut {
            case .lastTakesRest: max(total / size, 1)
            case .forced: max((total + size - 1) / size, 1)
            }
        return (0..<count).map { index in
            let end = index == count - 1 ? total : (index + 1) * size
            return Chunk(number: index + 1, range: index * size..<end, chunkSize: size, total: total)
        }
    }

    /// - Parameter settled: true if the client states the chunk's length.
    func layout(settled: Bool = true) throws -> ChunkLayout {
        let layout = try #require(
            ChunkLayout(number: UInt64(number), chunkSize: UInt64(chunkSize), total: UInt64(total)))
        return settled ? try #require(layout.settled(length: UInt64(range.count))) : layout
    }
}

extension ByteRange {
    init(_ range: Range<Int>) throws {
        self = try #require(ByteRange(from: UInt64(range.lowerBound), to: UInt64(range.upperBound)))
    }
}

extension ChunkWriter {
    /// Writes bytes in pieces.
    func write(_ bytes: some Collection<UInt8>, piece: Int = 5) throws {
        let bytes = Array(bytes)
        for start in stride(from: 0, to: bytes.count, by: piece) {
            try bytes[start..<min(start + piece, bytes.count)].withUnsafeBytes { try write($0) }
        }
    }
}

extension ChunkStore {
    /// Begins to receive a chunk at that place.
    func receive(upload id: UploadID, size: UInt64, layout: ChunkLayout) throws -> any ChunkWriter {
        try receive(ChunkRequest(upload: id, number: 1, place: .sized(total: size, chunkSize: 1, layout)))
    }

    /// The status of an upload, for a client that states no sizes.
    func status(of id: UploadID) throws -> UploadStatus? {
        try status(of: ChunkRequest(upload: id, number: 1, place: .counted(chunks: .max)))
    }

    /// Sends a chunk of a file with that content.
    @discardableResult
    func send(
        _ chunk: Chunk, of content: [UInt8], as id: UploadID, settled: Bool = true, piece: Int = 5
    ) throws -> Receipt.Effect {
        let writer = try receive(upload: id, size: UInt64(chunk.total), layout: chunk.layout(settled: settled))
        try writer.write(content[chunk.range], piece: piece)
        return try writer.commit().effect
    }

    /// Sends a whole file in order. Returns the effect of the last chunk.
    @discardableResult
    func sendAll(_ content: [UInt8], as id: UploadID, chunkSize: Int = 16) throws -> Receipt.Effect {
        var effect = Receipt.Effect.stored
        for chunk in Chunk.all(of: content.count, size: chunkSize) { effect = try send(chunk, of: content, as: id) }
        return effect
    }

    /// True if a test finds the chunk held.
    func isHeld(_ chunk: Chunk, of id: UploadID) throws -> Bool {
        let place = ChunkRequest.Place.sized(
            total: UInt64(chunk.total), chunkSize: UInt64(chunk.chunkSize), try chunk.layout())
        let request = ChunkRequest(upload: id, number: UInt64(chunk.number), place: place)
        return try status(of: request)?.receipt?.effect == .duplicate
    }

    func held(_ id: UploadID) throws -> [ByteRange]? { try status(of: id)?.held.ranges }
}

extension [JournalRecord] {
    /// The bytes of these records in a journal with that nonce.
    func encoded(nonce: UInt64) -> [UInt8] {
        var seed = nonce
        return flatMap { record in
            let bytes = record.encoded(seed: seed)
            seed = JournalRecord.seed(behind: bytes[...], seed)
            return bytes
        }
    }
}

/// Values that several threads collect.
final class Collected<Element: Sendable>: Sendable {
    private let elements = Lock<[Element]>([])

    func add(_ element: Element) { elements.withLock { $0.append(element) } }
    var all: [Element] { elements.withLock { $0 } }
}

extension StoreCause {
    /// True if waiting for a lock would have made two threads wait for each other (EDEADLK).
    var isDeadlock: Bool { description.hasPrefix("cannot lock ") && description.hasSuffix(errorText(EDEADLK)) }
}

extension LocalStore {
    /// Leaves the journal of an upload as a process that died in a sync does.
    func dieInSync(of id: UploadID) throws {
        let file = try #require(try state.open(UploadKey(id).journal))
        var journal = try #require(try Journal.read(file))
        try journal.append([.syncing])
    }
}
