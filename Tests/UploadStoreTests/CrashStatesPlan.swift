import TestSupport
import UploadModel

@testable import UploadStore

// Who uploads what in one run of the crash tests. All of it follows from a number.

/// A site with a few uploads that get in each other's way.
struct CrashPlan {
    /// One upload, and everybody who sends to it.
    struct Client {
        var id: UploadID
        var relativePath: RelativePath?
        var chunks: [Chunk]
        /// The file, and others of its size: somebody sends chunks of those for the same upload.
        var versions: [[UInt8]]
        /// Chunks of other versions that somebody sends.
        var rivals: [(chunk: Int, version: Int)]
        /// In which order the chunks are sent at first.
        var order: [Int]
        var dialect: Dialect
        /// Whether nobody says how long a chunk is before it has come.
        var leavesLengthsOpen: Bool
        /// What the Flask backend left: how many bytes of which chunks.
        var parts: [Int: Int]
        /// The client goes away before its last chunks, and nobody comes back until it has expired.
        var isAbandoned: Bool
    }

    /// How a client says where its chunks lie.
    enum Dialect: CaseIterable { case sized, counted, both }

    let settings: StoreSettings
    let clients: [Client]
    /// Files that stand in the root before, by name.
    let foreign: [String: [UInt8]]
    /// Whether the clock jumps at some time, so that what is abandoned expires.
    let expires: Bool

    static let expire: UInt64 = 7 * 24 * 3600
    /// Who is told of finished files, if anybody is.
    static let recipient = Recipients(rawValue: 2)

    init(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        // Of its own, so that a seed's clients do the same whether or not somebody is told of their files.
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
            // With one, each upload is opened again at nearly every request.
            openUploads: pick([1, 8]))
        var clients: [Client] = []
        for number in 0..<Int.random(in: 2...3, using: &generator) {
            let size = chance(8) ? 0 : Int.random(in: 40...110, using: &generator)
            // Files of one name, except where they could not be told apart.
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
}

extension CrashPlan.Client {
    fileprivate init?(number: Int, name: String, size: Int, layout: Layout, seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &generator) < percent }
        guard let id = try? uploadID("client\(number)", name) else { return nil }
        self.id = id
        if layout == .tree, let folders = ["", "a/", "a/b/"].randomElement(using: &generator) {
            relativePath = try? RelativePath(folders + name, parameter: "path")
        }
        let cut = Cut.allCases.randomElement(using: &generator) ?? .forced
        chunks = Chunk.all(of: size, size: Int.random(in: 11...30, using: &generator), cut)
        dialect = CrashPlan.Dialect.allCases.randomElement(using: &generator) ?? .sized
        leavesLengthsOpen = chance(40)
        let file = content(size, seed: generator.next())
        // Alike at first, so that comparing goes well for a while.
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

    /// A few whole parts, and perhaps one that was being written. (Two of those, alike in length, would pass for whole
    /// ones where the client doesn't say how large its chunks are: nobody can tell.)
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

    /// True if Flask left all of that chunk, and anybody can see that it is all. Where a client doesn't say how large
    /// its chunks are, two of one size tell it.
    func hasPart(_ chunk: Int) -> Bool {
        let whole = chunks.indices.filter { parts[$0] == chunks[$0].range.count }
        return whole.contains(chunk) && (dialect == .sized || whole.count { $0 < chunks.count - 1 } >= 2)
    }

    func partName(_ chunk: Int) -> String {
        let digits = String(chunk + 1)
        return id.filename.text + "_part_" + String(repeating: "0", count: 3 - digits.count) + digits
    }

    /// The folders on the way to the finished file.
    func folders(_ layout: Layout) -> [String] {
        switch layout {
        case .flat: []
        case .tree: relativePath?.components.dropLast().map(\.text) ?? []
        case .identifier: [id.identifier]
        }
    }

    /// A request for a chunk; nil if there is no such place.
    func request(_ chunk: Int, counted: Bool, open: Bool) -> ChunkRequest? {
        let piece = chunks[chunk]
        var place = ChunkRequest.Place.counted(chunks: UInt64(chunks.count))
        if !counted {
            guard let layout = try? piece.layout(settled: !open) else { return nil }
            place = .sized(total: UInt64(piece.total), chunkSize: UInt64(piece.chunkSize), layout)
        }
        return ChunkRequest(upload: id, number: UInt64(piece.number), place: place, relativePath: relativePath)
    }
}

extension MemoryDisk {
    /// A disk on which the plan's foreign files and Flask's parts are, for certain.
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
