import TestSupport

// The state of a `MemoryDisk` after a crash.
//
// The death of a process removes its locks and its nameless files. A power cut also loses any part of the changes that
// were not synced, for each file and folder separately:
//
//   - each write is kept, lost, or torn at odd bytes; the file's size may have grown although the bytes are lost;
//   - each change of the size is kept or lost;
//   - of the changes of its attribute, the first few are kept;
//   - of the changes of one name, the first few are kept, in order;
//   - a rename leaves the old name, the new one, or both, but never neither.
//
// After a failed sync the kernel drops the changes that it should have written: reads still return them, but no later
// sync writes them. In a file, not even bytes that are written again to the same block are safe (seen on ext4: such a
// block can read as zeros later). In a folder, the next change of a name writes the others again.

/// A file's bytes, as reads return them and as they certainly are on the medium.
package struct FileContent {
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
    /// The attribute, as it is read.
    package private(set) var attribute: [UInt8]?
    private var attributeOnMedium: [UInt8]?
    private var unsyncedAttributes: [[UInt8]?] = []

    package var size: UInt64 { seen.count }
    /// All bytes. Of a huge file only the first, which show that it is none of the tests' files.
    package var bytes: [UInt8] { seen.read(at: 0, atMost: 1 << 20) }
    package func read(at offset: UInt64, atMost count: Int) -> [UInt8] { seen.read(at: offset, atMost: count) }

    package mutating func write(_ bytes: ArraySlice<UInt8>, at offset: UInt64) {
        guard !bytes.isEmpty else { return }
        seen.write(bytes, at: offset)
        unsynced.append(.write(offset: offset, bytes: bytes))
    }

    package mutating func resize(to size: UInt64) {
        seen.resize(to: size)
        unsynced.append(.resize(size))
    }

    package mutating func setAttribute(_ bytes: [UInt8]?) {
        attribute = bytes
        unsyncedAttributes.append(bytes)
    }

    package mutating func syncAttribute() {
        if let latest = unsyncedAttributes.last { attributeOnMedium = latest }
        unsyncedAttributes = []
    }

    package mutating func sync() {
        if spoiled.isEmpty {
            medium = seen
        } else {
            for change in unsynced where !isSpoiled(change) { FileContent.apply(change, to: &medium) }
        }
        unsynced = []
    }

    package mutating func failSync() {
        for change in unsynced { spoiled.formUnion(FileContent.blocks(change)) }
        unsynced = []
        unsyncedAttributes = []
    }

    /// How many changes a power cut may keep or lose.
    package var doubts: Int { unsynced.count + unsyncedAttributes.count }

    package mutating func cut(_ mood: inout Mood) {
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
        for bytes in unsyncedAttributes {
            guard mood.keeps() else { break }
            attributeOnMedium = bytes
        }
        self = FileContent(medium, attribute: attributeOnMedium)
    }

    /// A file that is on the medium.
    private init(_ medium: SparseBytes, attribute: [UInt8]?) {
        seen = medium
        self.medium = medium
        self.attribute = attribute
        attributeOnMedium = attribute
    }

    package init() {}

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

/// A folder's names, as they are seen and as they certainly are on the medium.
package struct FolderContent {
    fileprivate struct Change {
        var name: String
        /// The file or folder with that name; nil if the name is removed.
        var node: UInt64?
        /// The same in both changes of a rename.
        var rename: Int?
    }

    fileprivate(set) var names: [String: UInt64] = [:]
    fileprivate var medium: [String: UInt64] = [:]
    fileprivate var unsynced: [Change] = []
    /// Changes that a failed sync has lost.
    private var forgotten: [Change] = []

    fileprivate init(names: [String: UInt64]) {
        self.names = names
        medium = names
    }

    package init() {}

    /// How many changes a power cut may keep or lose.
    package var doubts: Int { unsynced.count }

    fileprivate mutating func append(_ change: Change) {
        names[change.name] = change.node
        unsynced = forgotten + unsynced + [change]
        forgotten = []
    }

    package mutating func failSync() {
        forgotten += unsynced
        unsynced = []
    }

    /// The nodes that have, had, or may get back a name here.
    fileprivate var nodes: [UInt64] {
        Array(names.values) + medium.values + (forgotten + unsynced).compactMap(\.node)
    }

    /// Applies the first `count` changes of a name to the medium.
    fileprivate mutating func keep(_ count: Int, of name: String) {
        var rest = count
        unsynced.removeAll { change in
            guard change.name == name, rest > 0 else { return false }
            rest -= 1
            medium[name] = change.node
            return true
        }
    }

    /// The new name of that rename, and how many changes of the name there are up to it; nil if it is not unsynced
    /// here.
    fileprivate func position(ofTarget rename: Int) -> (name: String, count: Int)? {
        guard let index = unsynced.firstIndex(where: { $0.rename == rename && $0.node != nil }) else { return nil }
        let name = unsynced[index].name
        return (name, unsynced[...index].count { $0.name == name })
    }
}

/// How a power cut treats unsynced changes: it keeps nearly all, nearly none, or some.
package struct Mood {
    private var generator: SplitMix64
    /// Of eight.
    private let keeping: UInt64
    private let tearing: UInt64

    package init(seed: UInt64) {
        generator = SplitMix64(seed: seed)
        keeping = [0, 1, 4, 4, 7, 8].randomElement(using: &generator) ?? 4
        tearing = [0, 0, 2, 4].randomElement(using: &generator) ?? 0
    }

    package mutating func keeps() -> Bool { generator.next() >> 32 % 8 < keeping }

    package mutating func part(of bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard generator.next() >> 32 % 8 < tearing else { return keeps() ? bytes : [] }
        let bounds = [
            bytes.startIndex, bytes.endIndex, .random(in: bytes.startIndex...bytes.endIndex, using: &generator),
        ]
        .shuffled(using: &generator)
        return bytes[min(bounds[0], bounds[1])..<max(bounds[0], bounds[1])]
    }
}

extension MemoryDisk.State {
    package mutating func syncFile(_ node: UInt64) {
        nodes[node]?.file.sync()
        changes += 1
    }

    package mutating func setName(_ name: String, in folder: UInt64, to node: UInt64?, rename: Int? = nil) {
        guard let old = nodes[folder]?.folder.names[name] ?? node else { return }
        if nodes[folder]?.folder.names[name] != nil { nodes[old]?.names -= 1 }
        if let node { nodes[node]?.names += 1 }
        nodes[folder]?.folder.append(FolderContent.Change(name: name, node: node, rename: rename))
        changes += 1
    }

    package mutating func rename(
        _ name: String, in folder: UInt64, to newName: String, in target: UInt64, _ node: UInt64
    ) {
        renames += 1
        setName(name, in: folder, to: nil, rename: renames)
        setName(newName, in: target, to: node, rename: renames)
    }

    package mutating func syncFolder(_ folder: UInt64) {
        for change in nodes[folder]?.folder.unsynced ?? [] { keep(1, of: change.name, in: folder) }
        changes += 1
        clear()
    }

    /// Applies changes of a name to the medium. If one is the removal of a rename's old name, the new name is applied
    /// too, with the folders that lead to it.
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

    /// Applies the name of a folder, and those of its parents, to the medium.
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
    package var doubts: Int { nodes.values.reduce(0) { $0 + $1.file.doubts + $1.folder.doubts } }

    /// The disk after all processes have died.
    package func killed() -> MemoryDisk.State {
        var left = self
        left.locks = []
        left.openings = [:]
        left.death = nil
        left.failing = nil
        left.failureKills = false
        left.deadProcesses = []
        left.syncsToGo = nil
        left.failures = []
        left.failedSyncs = 0
        left.clear()
        return left
    }

    /// The disk after a power cut, one of many possibilities.
    package func afterPowerCut(seed: UInt64) -> MemoryDisk.State {
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

    /// Removes nodes without an opening and without a name, including names that a power cut could restore.
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
