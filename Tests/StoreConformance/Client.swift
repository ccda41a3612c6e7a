import Linux
import TestSupport
import Testing
import UploadModel
import UploadStore

/// The two ways in which clients cut a file (PROTOCOL.md, "Requests"): the last chunk takes the remainder with it, or
/// the remainder is a chunk of its own.
enum Cut: CaseIterable { case lastTakesRemainder, forced }

/// A client that uploads one file in chunks.
struct Client: Sendable {
    var id: UploadID
    var content: [UInt8]
    var chunkSize = 10
    var cut = Cut.forced
    /// Whether the client states how long a chunk is.
    var statesLength = true
    var metadata = Metadata()
    var quota: TokenQuota?
    /// When the file was modified, as the client states it: so tests of a finished upload are answered.
    var lastModified: UInt64? = 1

    init(_ identifier: String = "id", _ filename: String = "name.bin", owner: Owner = .nobody, of content: [UInt8])
        throws
    {
        id = try UploadID(
            identifier: identifier, filename: FileName(filename, parameter: ""), owner: owner, parameter: "")
        self.content = content
    }

    /// The same upload with other bytes.
    func with(_ content: [UInt8]) -> Client {
        var other = self
        other.content = content
        return other
    }

    /// The numbers of the chunks.
    var numbers: ClosedRange<Int> {
        switch cut {
        case .lastTakesRemainder: 1...max(content.count / chunkSize, 1)
        case .forced: 1...max((content.count + chunkSize - 1) / chunkSize, 1)
        }
    }

    /// The bytes of a chunk, as positions in the file.
    func range(_ number: Int) -> Range<Int> {
        let end = number == numbers.upperBound ? content.count : number * chunkSize
        return (number - 1) * chunkSize..<end
    }

    func request(_ number: Int) throws -> ChunkRequest { try request(number, statesLength: statesLength) }

    private func request(_ number: Int, statesLength: Bool) throws -> ChunkRequest {
        let layout = try #require(
            ChunkLayout(number: UInt64(number), chunkSize: UInt64(chunkSize), total: UInt64(content.count)))
        let settled = statesLength ? try #require(layout.settled(length: UInt64(range(number).count))) : layout
        return ChunkRequest(
            upload: id, number: UInt64(number),
            place: .sized(total: UInt64(content.count), chunkSize: UInt64(chunkSize), settled),
            lastModified: lastModified, metadata: metadata, quota: quota)
    }

    /// A request that states how many chunks there are, and no sizes.
    func countedRequest(_ number: Int, limit: UInt64 = 1 << 40) -> ChunkRequest {
        ChunkRequest(
            upload: id, number: UInt64(number), place: .counted(chunks: UInt64(numbers.upperBound)),
            lastModified: lastModified, maximumFileSize: limit, metadata: metadata, quota: quota)
    }

    /// Sends a chunk.
    @discardableResult
    func send(_ number: Int, to store: any ChunkStore, piece: Int = 7) throws -> Receipt.Effect {
        try store.take(request(number), content[range(number)], piece: piece)
    }

    /// Sends a chunk without sizes.
    @discardableResult
    func sendCounted(
        _ number: Int, to store: any ChunkStore, limit: UInt64 = 1 << 40, _ bytes: [UInt8]? = nil
    ) throws -> Receipt.Effect {
        try store.take(countedRequest(number, limit: limit), bytes ?? Array(content[range(number)]), piece: 7)
    }

    /// Sends all chunks in order. Returns what the last one did.
    @discardableResult
    func sendAll(to store: any ChunkStore) throws -> Receipt.Effect {
        var effect = Receipt.Effect.stored
        for number in numbers { effect = try send(number, to: store) }
        return effect
    }

    /// Asks for what is held, as a test of the first chunk does.
    func status(in store: any ChunkStore) throws -> UploadStatus? { try store.status(of: request(1)) }

    /// Asks whether a chunk is held. As Resumable.js does, the test states how long the chunk is.
    func isHeld(_ number: Int, in store: any ChunkStore) throws -> Bool {
        try store.status(of: request(number, statesLength: true))?.receipt != nil
    }

    /// The bytes that are held, as pairs of start and end; nil if the upload is unknown.
    func held(in store: any ChunkStore) throws -> [[UInt64]]? {
        try status(in: store)?.held.ranges.map { [$0.start, $0.end] }
    }
}

extension ChunkStore {
    /// Sends the bytes of a chunk in pieces.
    func take(_ request: ChunkRequest, _ bytes: some Collection<UInt8>, piece: Int) throws -> Receipt.Effect {
        let writer = try receive(request)
        try writer.write(bytes, piece: piece)
        return try writer.commit().effect
    }
}

extension ChunkWriter {
    /// Writes bytes in pieces.
    func write(_ bytes: some Collection<UInt8>, piece: Int = 7) throws {
        let bytes = Array(bytes)
        for start in stride(from: 0, to: bytes.count, by: piece) {
            try bytes[start..<min(start + piece, bytes.count)].withUnsafeBytes { try write($0) }
        }
    }
}

/// Bytes in which no chunk looks like another.
func content(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var generator = SplitMix64(seed: seed)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next() >> 32) }
}

/// Values that several threads collect.
final class Collected<Element: Sendable>: Sendable {
    private let elements = Lock<[Element]>([])

    func add(_ element: Element) { elements.withLock { $0.append(element) } }
    var all: [Element] { elements.withLock { $0 } }
}
