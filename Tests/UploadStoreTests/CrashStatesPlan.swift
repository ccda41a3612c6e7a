import StoreTestSupport
import TestSupport
import UploadModel

@testable import UploadStore

// The uploads of one run of the crash tests. All of it follows from a seed.

/// A few uploads that conflict with each other.
struct CrashPlan {
    /// An upload, and all clients that send to it.
    struct Client {
        var id: UploadID
        var relativePath: RelativePath?
        var chunks: [Chunk]
        /// The file, and other versions of the same size, of which other clients send chunks for the same upload.
        var versions: [[UInt8]]
        /// Chunks of other versions that other clients send.
        var rivals: [(chunk: Int, version: Int)]
        /// The order in which the chunks are first sent.
        var order: [Int]
        var dialect: Dialect
        /// True if no client states a chunk's length.
        var leavesLengthsOpen: Bool
        /// The parts that the Flask backend left: how many bytes of which chunks.
        var parts: [Int: Int]
        /// True if the client goes away before its last chunks, and returns only after the upload has expired.
        var isAbandoned: Bool
    }

    /// How a client states the places of its chunks.
    enum Dialect: CaseIterable { case sized, counted, both }

    let settings: StoreSettings
    let clients: [Client]
    /// Files that are in the root from the start, by name.
    let foreign: [String: [UInt8]]
    /// True if the clock jumps at some time, so that abandoned uploads expire.
    let expires: Bool

    static let expire: UInt64 = 7 * 24 * 3600
    /// The recipients of events.
    static let recipient = Recipients(rawValue: 2)

    init(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        // A generator of its own, so that the clients of a seed do the same with and without recipients.
        var recipients = SplitMix64(seed: ~seed)
        func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &generator) < percent }
        func pick<Element>(_ elements: [Element]) -> Element {
            elements[Int.random(in: elements.indices, using: &generator)]
        }
        let layout = pick([Layout.flat, .flat, .tree, .identifier])
        settings = StoreSettings(
            durability: pick(Durability.allCases), layout: layout,
            onConflict: pick([.rename, .rename, .replace, .refuse]), expire: CrashPlan.expire,
            recipients: recipients.next() >> 63 == 0 ? [] : CrashPlan.recipient,
            // With a capacity of one, nearly every request opens its upload again.
            openUploads: pick([1, 8]))
        var clients: [Client] = []
        for number in 0..<Int.random(in: 2...3, using: &generator) {
            let size = chance(8) ? 0 : Int.random(in: 40...110, using: &generator)
            // Files with the same name, unless they would be the same upload.
            let name = size == 0 ? "empty\(number)" : pick(["one.bin", "two.tar.gz"])
            guard
                let client = Client(
                    number: number, name: name, size: size, layout: layout, seed: generator.next())
            else { continue }
            clients.append(client)
        }
        self.clients = clients
        foreign = chance(50) ? ["one.bin": content(33, seed: seed), "other": content(20, seed: seed &+ 1)] : [:]
        expires = chance(35)
    }

    /// The path of a client's finished file below the root.
    ///
    /// - Parameter number: of the name, if other files had that name before.
    func path(_ client: Int, number: UInt64 = 0) -> String {
        let uploader = clients[client]
        return (uploader.folders(settings.layout) + [uploader.id.filename.numbered(number)]).joined(separator: "/")
    }
}

extension CrashPlan.Client {
    fileprivate init?(number: Int, name: String, size: Int, layout: Layout, seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &generator) < percent }
        guard let id = try? uploadID("client\(number)", name) else { return nil }
        self.id = id
        if layout == .tree, let folders = ["", "a/", "a/b/"].randomElement(using: &generator) {
            relativePath = try? RelativePath(folders + name, parameter: "path")
            self.id.path = relativePath
        }
        let cut = Cut.allCases.randomElement(using: &generator) ?? .forced
        // The generator of its own keeps the other clients of a seed as they are.
        var whole = SplitMix64(seed: ~seed)
        let isInOneChunk = whole.next() >> 32 % 3 == 0
        chunks = Chunk.all(of: size, size: isInOneChunk ? 200 : Int.random(in: 11...30, using: &generator), cut)
        dialect = CrashPlan.Dialect.allCases.randomElement(using: &generator) ?? .sized
        leavesLengthsOpen = chance(40)
        let file = content(size, seed: generator.next())
        // Equal at first, so that a comparison succeeds for a while.
        let other = zip(file, content(size, seed: generator.next())).enumerated()
            .map { $0.offset % 11 < 5 ? $0.element.0 : $0.element.1 }
        versions = [file, other, content(size, seed: generator.next())]
        order =
            switch Int.random(in: 0..<3, using: &generator) {
            case 0: Array(chunks.indices)
            case 1: [chunks.count - 1] + chunks.indices.dropLast()
            default: chunks.indices.shuffled(using: &generator)
            }
        rivals = []
        if chunks.count > 1 && chance(40) {
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                rivals.append(
                    (Int.random(in: chunks.indices, using: &generator), Int.random(in: 1...2, using: &generator)))
            }
        }
        parts = [:]
        isAbandoned = chance(20)
        if layout == .flat && chunks.count > 1 && chance(40) { addParts(&generator) }
    }

    /// A few whole parts, and perhaps one that was being written. (Two of those with the same length would look whole
    /// if the client doesn't state the chunk size.)
    private mutating func addParts(_ generator: inout SplitMix64) {
        var isShort = false
        for index in chunks.indices {
            let length = chunks[index].range.count
            switch Int.random(in: 0..<6, using: &generator) {
            case 0, 1: parts[index] = length
            case 2 where index < chunks.count - 1 && !isShort:
                parts[index] = Int.random(in: 0..<length, using: &generator)
                isShort = true
            default: break
            }
        }
    }

    /// True if Flask left all of that chunk, and the store can know that: from the stated chunk size, or from two parts
    /// of the same size.
    func hasPart(_ chunk: Int) -> Bool {
        let whole = chunks.indices.filter { parts[$0] == chunks[$0].range.count }
        return whole.contains(chunk) && (dialect == .sized || whole.count { $0 < chunks.count - 1 } >= 2)
    }

    func partName(_ chunk: Int) -> String {
        let digits = String(chunk + 1)
        return id.filename.text + "_part_" + String(repeating: "0", count: 3 - digits.count) + digits
    }

    /// The folders of the finished file.
    func folders(_ layout: Layout) -> [String] {
        switch layout {
        case .flat: []
        case .tree: relativePath?.components.dropLast().map(\.text) ?? []
        case .identifier: [id.identifier]
        }
    }

    /// A request for a chunk; nil if there is no such chunk.
    func request(_ chunk: Int, counted: Bool, open: Bool) -> ChunkRequest? {
        let piece = chunks[chunk]
        var place = ChunkRequest.Place.counted(chunks: UInt64(chunks.count))
        if !counted {
            guard let layout = try? piece.layout(settled: !open) else { return nil }
            place = .sized(total: UInt64(piece.total), chunkSize: UInt64(piece.chunkSize), layout)
        }
        var request = ChunkRequest(
            upload: id, number: UInt64(piece.number), place: place, relativePath: relativePath)
        // Stated, so that tests are answered for as long as there is a record.
        request.lastModified = 1
        return request
    }
}

extension MemoryDisk {
    /// A disk with the plan's foreign files and Flask's parts, all synced.
    convenience init(_ plan: CrashPlan, time: UInt64) throws {
        self.init()
        wait(seconds: time)
        for (name, bytes) in plan.foreign.sorted(by: { $0.key < $1.key }) {
            try MemoryDisk.put(bytes, in: root, as: name)
        }
        for client in plan.clients where !client.parts.isEmpty {
            let folder = try root.folder(client.id.identifier)
            for (chunk, length) in client.parts.sorted(by: { $0.key < $1.key }) {
                let bytes = client.versions[0][client.chunks[chunk].range].prefix(length)
                try MemoryDisk.put(Array(bytes), in: folder, as: client.partName(chunk))
            }
        }
        try root.sync()
    }

    private static func put(_ bytes: [UInt8], in folder: any Directory, as name: String) throws {
        let file = try folder.create(name)
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
        try file.sync()
        try folder.sync()
    }
}
