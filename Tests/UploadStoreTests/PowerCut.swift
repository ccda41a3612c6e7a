import TestSupport

@testable import UploadStore

// What a crash leaves of a `MemoryDisk`.
//
// The death of a process takes its locks and its nameless files. A power cut also takes, of each file and folder apart,
// any part of what was not synced:
//
//   - each write is kept, lost, or torn at odd bytes; the file's size may have grown although the bytes are lost;
//   - each change of the size is kept or lost;
//   - of the changes of one name, the first few are kept, in order;
//   - of a rename, the old name is left, the new one, or both, but never neither.
//
// A sync that fails makes the kernel forget what it should have written: reads still see it, and no later sync brings
// it back. Of a file not even bytes that are written once more to the same block (seen on ext4: such a block can read
// as zeros later); of a folder, the next change of a name writes the others again.

/// A file's bytes, as reads see them and as they are on the medium for certain.
struct FileContent {
    private enum Change {
        case write(offset: UInt64, bytes: ArraySlice<UInt8>)
        case resize(UInt64)
    }

    private static let blockSize: UInt64 = 4096

    private var seen = SparseBytes()
    private var medium = SparseBytes()
    private var unsynced: [Change] = []
    /// Blocks that a failed sync has lost.
    private var spoiled: Set<UInt64> = []

    var size: UInt64 { seen.count }
    /// All bytes; of a huge file only the first, which tell already that it is none of ours.
    var bytes: [UInt8] { seen.read(at: 0, atMost: 1 << 20) }
    func read(at offset: UInt64, atMost count: Int) -> [UInt8] { seen.read(at: offset, atMost: count) }

    mutating func write(_ bytes: ArraySlice<UInt8>, at offset: UInt64) {
        guard !bytes.isEmpty else { return }
        seen.write(bytes, at: offset)
        unsynced.append(.write(offset: offset, bytes: bytes))
    }

    mutating func resize(to size: UInt64) {
        seen.resize(to: size)
        unsynced.append(.resize(size))
    }

    mutating func sync() {
        if spoiled.isEmpty {
            medium = seen
        } else {
            for change in unsynced where !isSpoiled(change) { FileContent.apply(change, to: &medium) }
        }
        unsynced = []
    }

    mutating func failSync() {
        for change in unsynced { spoiled.formUnion(FileContent.blocks(change)) }
        unsynced = []
    }

    /// How many changes a power cut may keep or lose.
    var doubts: Int { unsynced.count }

    mutating func cut(_ mood: inout Mood) {
        for change in unsynced where !isSpoiled(change) {
            switch change {
            case .resize:
                if mood.keeps() { FileContent.apply(change, to: &medium) }
            case .write(let offset, let bytes):
                let part = mood.part(of: bytes)
                let end = mood.keeps() ? offset + UInt64(bytes.count) : 0
                if !part.isEmpty { medium.write(part, at: offset + UInt64(part.startIndex - bytes.startIndex)) }
                if end > medium.count { medium.resize(to: end) }
            }
        }
        self = FileContent(seen: medium, medium: medium)
    }

    private init(seen: SparseBytes, medium: SparseBytes) {
        self.seen = seen
        self.medium = medium
    }

    init() {}

    private static func apply(_ change: Change, to bytes: inout SparseBytes) {
        switch change {
        case .write(let offset, let written): bytes.write(written, at: offset)
        case .resize(let size): bytes.resize(to: size)
        }
    }

    /// The blocks that a change writes to.
    private static func blocks(_ change: Change) -> [UInt64] {
        guard case .write(let offset, let bytes) = change else { return [] }
        return Array(offset / blockSize...(offset + UInt64(bytes.count) - 1) / blockSize)
    }

    private func isSpoiled(_ change: Change) -> Bool {
        !spoiled.isEmpty && FileContent.blocks(change).contains { spoiled.contains($0) }
    }
}

/// A folder's names, as they are seen and as they are on the medium for certain.
struct FolderContent {
    fileprivate struct Change {
        var name: String
        /// What the name stands for; nil where it is removed.
        var node: UInt64?
        /// Ties the two changes of one rename together.
        var rename: Int?
    }

    fileprivate(set) var names: [String: UInt64] = [:]
    fileprivate var medium: [String: UInt64] = [:]
    fileprivate var unsynced: [Change] = []
    /// What a failed sync has lost.
    private var forgotten: [Change] = []

    fileprivate init(names: [String: UInt64]) {
        self.names = names
        medium = names
    }

    init() {}

    /// How many changes a power cut may keep or lose.
    var doubts: Int { unsynced.count }

    fileprivate mutating func append(_ change: Change) {
        names[change.name] = change.node
        unsynced = forgotten + unsynced + [change]
        forgotten = []
    }

    mutating func failSync() {
        forgotten += unsynced
        unsynced = []
    }

    /// The nodes that a name stands for, stood for, or may stand for once more.
    fileprivate var nodes: [UInt64] {
        Array(names.values) + medium.values + (forgotten + unsynced).compactMap(\.node)
    }

    /// Does the first `count` changes of a name.
    fileprivate mutating func keep(_ count: Int, of name: String) {
        var rest = count
        unsynced.removeAll { change in
            guard change.name == name, rest > 0 else { return false }
            rest -= 1
            medium[name] = change.node
            return true
        }
    }

    /// How many changes of its name come before the second half of that rename, and it; nil if it is not in doubt here.
    fileprivate func position(ofTarget rename: Int) -> (name: String, count: Int)? {
        guard let index = unsynced.firstIndex(where: { $0.rename == rename && $0.node != nil }) else { return nil }
        let name = unsynced[index].name
        return (name, unsynced[...index].count { $0.name == name })
    }
}

/// How a power cut treats what was not synced: it keeps nearly all, nearly nothing, or any part.
struct Mood {
    private var generator: SplitMix64
    /// Of eight.
    private let keeping: UInt64
    private let tearing: UInt64

    init(seed: UInt64) {
        generator = SplitMix64(seed: seed)
        keeping = [0, 1, 4, 4, 7, 8].randomElement(using: &generator) ?? 4
        tearing = [0, 0, 2, 4].randomElement(using: &generator) ?? 0
    }

    mutating func keeps() -> Bool { generator.next() >> 32 % 8 < keeping }

    mutating func part(of bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard generator.next() >> 32 % 8 < tearing else { return keeps() ? bytes : [] }
        let bounds = [
            bytes.startIndex, bytes.endIndex, .random(in: bytes.startIndex...bytes.endIndex, using: &generator),
        ]
        .shuffled(using: &generator)
        return bytes[min(bounds[0], bounds[1])..<max(bounds[0], bounds[1])]
    }
}

extension MemoryDisk.State {
    mutating func syncFile(_ node: UInt64) {
        nodes[node]?.file.sync()
        changes += 1
    }

    mutating func setName(_ name: String, in folder: UInt64, to node: UInt64?, rename: Int? = nil) {
        guard let old = nodes[folder]?.folder.names[name] ?? node else { return }
        if nodes[folder]?.folder.names[name] != nil { nodes[old]?.names -= 1 }
        if let node { nodes[node]?.names += 1 }
        nodes[folder]?.folder.append(FolderContent.Change(name: name, node: node, rename: rename))
        changes += 1
    }

    mutating func rename(_ name: String, in folder: UInt64, to newName: String, in target: UInt64, _ node: UInt64) {
        renames += 1
        setName(name, in: folder, to: nil, rename: renames)
        setName(newName, in: target, to: node, rename: renames)
    }

    mutating func syncFolder(_ folder: UInt64) {
        for change in nodes[folder]?.folder.unsynced ?? [] { keep(1, of: change.name, in: folder) }
        changes += 1
        clear()
    }

    /// Makes changes of a name certain. What takes an old name away takes the new one along, wherever that is, with the
    /// folders on the way.
    private mutating func keep(_ count: Int, of name: String, in folder: UInt64) {
        let kept = (nodes[folder]?.folder.unsynced ?? []).filter { $0.name == name }.prefix(count)
        nodes[folder]?.folder.keep(count, of: name)
        for case let rename? in kept.filter({ $0.node == nil }).map(\.rename) {
            for other in nodes.keys.sorted() {
                guard let target = nodes[other]?.folder.position(ofTarget: rename) else { continue }
                keep(target.count, of: target.name, in: other)
                keepName(of: other)
            }
        }
    }

    /// Makes it certain that a folder can be reached.
    private mutating func keepName(of folder: UInt64) {
        guard
            let parent = nodes.keys.sorted().first(where: { nodes[$0]?.folder.names.values.contains(folder) == true }),
            let unsynced = nodes[parent]?.folder.unsynced
        else { return }
        if let index = unsynced.firstIndex(where: { $0.node == folder }) {
            let name = unsynced[index].name
            keep(unsynced[...index].count { $0.name == name }, of: name, in: parent)
        }
        keepName(of: parent)
    }

    /// How many changes a power cut may keep or lose.
    var doubts: Int { nodes.values.reduce(0) { $0 + $1.file.doubts + $1.folder.doubts } }

    /// What is left when all processes have died.
    func killed() -> MemoryDisk.State {
        var left = self
        left.locks = []
        left.openings = [:]
        left.death = nil
        left.failing = nil
        left.syncsToGo = nil
        left.failures = []
        left.failedSyncs = 0
        left.clear()
        return left
    }

    /// What is left when the power was cut, one of many possibilities.
    func afterPowerCut(seed: UInt64) -> MemoryDisk.State {
        var left = self
        var mood = Mood(seed: seed)
        let folders = nodes.keys.sorted().filter { nodes[$0]?.isFolder == true }
        for folder in folders {
            var chosen: Set<String> = []
            for change in left.nodes[folder]?.folder.unsynced ?? [] where chosen.insert(change.name).inserted {
                let all = left.nodes[folder]?.folder.unsynced.count { $0.name == change.name } ?? 0
                left.keep((0..<all).count { _ in mood.keeps() }, of: change.name, in: folder)
            }
        }
        for node in nodes.keys.sorted() {
            left.nodes[node]?.file.cut(&mood)
            left.nodes[node]?.failedSyncs = 0
            left.nodes[node]?.names = node == 1 ? 1 : 0
        }
        for folder in folders {
            let names = left.nodes[folder]?.folder.medium ?? [:]
            left.nodes[folder]?.folder = FolderContent(names: names)
        }
        for node in folders.flatMap({ Array((left.nodes[$0]?.folder.names ?? [:]).values) }) {
            left.nodes[node]?.names += 1
        }
        return left.killed()
    }

    /// Forgets what nothing speaks of any more: no name, also none that a power cut could bring back, and no opening.
    private mutating func clear() {
        var wanted: Set<UInt64> = [1]
        var folders: [UInt64] = [1]
        for opening in openings.values where wanted.insert(opening.node).inserted { folders.append(opening.node) }
        while let folder = folders.popLast(), let content = nodes[folder]?.folder {
            for node in content.nodes where wanted.insert(node).inserted { folders.append(node) }
        }
        if wanted.count < nodes.count { nodes = nodes.filter { wanted.contains($0.key) } }
    }
}
