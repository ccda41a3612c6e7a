import Glibc
import Linux

@testable import UploadStore

// A file system in memory. Its calls can fail, another process can come in between, and its power can be cut at every
// call (PowerCut.swift says what is left then). Its state is a value: whoever keeps a copy can go back to it. One
// thread works on it at a time: who would have to wait for a lock is told that it would be for ever.

/// The disk: files and folders by number, who has them open, and what is to go wrong.
final class MemoryDisk: Sendable {
    /// A file or a folder. Its number is free for another one when nothing speaks of it any more, as on a real disk.
    struct Node {
        var file = FileContent()
        var folder = FolderContent()
        var isFolder = false
        /// How many names it has.
        var names = 0
        /// Unix seconds, by the disk's own clock.
        var modified: UInt64 = 0
        /// How many of its syncs have failed. Each opening is told, once, of those that came after it was opened.
        var failedSyncs = 0

        /// What reads see.
        var bytes: [UInt8] { file.bytes }
        var entries: [String: UInt64] { folder.names }
    }

    struct Opening {
        var node: UInt64
        /// How many failed syncs it knows of.
        var failedSyncs: Int
    }

    struct Claim {
        var node: UInt64
        var opening: UInt64
        var range: Range<UInt64>
    }

    /// A call that was made to fail.
    struct Failure: Equatable {
        var operation: String
        var name: String
        var code: Int32
    }

    /// One call, as an observer sees it: what is on the disk before it.
    struct Moment {
        var operation: String
        var name: String
        var state: State
    }

    struct State {
        var nodes: [UInt64: Node] = [1: Node(isFolder: true, names: 1)]
        var openings: [UInt64: Opening] = [:]
        var locks: [Claim] = []
        /// What the disk's clock shows, in Unix seconds.
        var time: UInt64 = 0
        /// Counts what changes the disk or what a power cut leaves of it.
        var changes = 0
        var calls = 0
        var failing: (call: Int, code: Int32)?
        /// How many syncs are to go until one fails.
        var syncsToGo: Int?
        /// From that call on, nothing reaches the disk any more.
        var death: Int?
        var failures: [Failure] = []
        /// How many syncs were told of a failure.
        var failedSyncs = 0
        /// Counts renames: each ties two changes of names together.
        var renames = 0
        private var lastOpening: UInt64 = 0

        mutating func newNode(isFolder: Bool = false) -> UInt64 {
            var number: UInt64 = 2
            while nodes[number] != nil { number += 1 }
            nodes[number] = Node(isFolder: isFolder, modified: time)
            return number
        }

        mutating func open(_ node: UInt64) -> UInt64 {
            lastOpening += 1
            openings[lastOpening] = Opening(node: node, failedSyncs: nodes[node]?.failedSyncs ?? 0)
            return lastOpening
        }

        mutating func close(_ opening: UInt64) {
            locks.removeAll { $0.opening == opening }
            openings[opening] = nil
        }
    }

    private let state: Lock<State>
    private let guest = Lock<Guest?>(nil)
    private let observer = Lock<(@Sendable (Moment) -> Void)?>(nil)

    private struct Guest {
        var call: Int
        var work: @Sendable () -> Void
    }

    /// An empty disk, or one as it was before.
    init(_ state: State = State()) {
        self.state = Lock(state)
    }

    /// The topmost folder.
    var root: MemoryFolder { MemoryFolder(self, 1) }

    /// Makes the call after `count` more fail, once, with that errno.
    func fail(after count: Int, code: Int32) {
        state.withLock { $0.failing = ($0.calls + count, code) }
    }

    /// Makes the sync after `count` more fail, once, with EIO.
    func failSync(after count: Int) { change { $0.syncsToGo = count } }

    /// True once everybody is dead.
    var isDead: Bool { inspect(\.isDead) }

    /// Nothing reaches the disk any more after `count` calls from now on, as if all processes had died there.
    func die(after count: Int) {
        state.withLock { $0.death = $0.calls + count }
    }

    /// Lets somebody look at each call before it is done; a write he sees half done as well.
    func observe(_ observer: (@Sendable (Moment) -> Void)?) {
        self.observer.withLock { $0 = observer }
    }

    /// Lets somebody else work in the moment before the call after `count` more, as another process might.
    func interrupt(after count: Int, _ work: @escaping @Sendable () -> Void) {
        let call = inspect { $0.calls } + count
        guest.withLock { $0 = Guest(call: call, work: work) }
    }

    /// Calls an interruption off that has not come yet.
    ///
    /// - Returns: false if it took place.
    func cancelInterruption() -> Bool { guest.withLock { $0.take() != nil } }

    private func letGuestWork() {
        let calls = inspect { $0.calls }
        let due = guest.withLock { guest -> (@Sendable () -> Void)? in
            guard let due = guest, calls >= due.call else { return nil }
            guest = nil
            return due.work
        }
        due?()
    }

    /// What was made to fail so far.
    var failures: [Failure] { state.withLock { $0.failures } }

    /// What the disk's clock shows, in Unix seconds.
    var time: UInt64 { inspect { $0.time } }

    func wait(seconds: UInt64) { change { $0.time += seconds } }

    /// Looks at the disk past all failures.
    func inspect<Result: Sendable>(_ look: (State) -> Result) -> Result { state.withLock { look($0) } }

    /// Changes the disk past all failures.
    func change(_ work: (inout State) -> Void) { state.withLock { work(&$0) } }

    /// The number of the file of that name, in whichever folder; nil if there is none.
    func number(of name: String) -> UInt64? {
        inspect { state in state.nodes.values.lazy.compactMap { $0.entries[name] }.first }
    }

    /// Spoils a byte.
    func flip(byte: Int, of node: UInt64) {
        change { state in
            guard let bytes = state.nodes[node]?.bytes else { return }
            state.nodes[node]?.file.write([bytes[byte] ^ 0xff], at: UInt64(byte))
        }
    }

    /// One disk call. It fails before it did anything, except that `torn` may do a part of it.
    fileprivate func call<Result: Sendable>(
        _ operation: String, _ name: String, torn: ((inout State) -> Void)? = nil,
        _ work: (inout State) throws(FileError) -> Result
    ) throws(FileError) -> Result {
        letGuestWork()
        let observer = observer.withLock { $0 }
        return try state.withLock { state throws(FileError) in
            state.calls += 1
            if state.isDead { throw FileError(operation: operation, name: name, code: EIO) }
            observer?(Moment(operation: operation, name: name, state: state))
            if let torn, operation == "write", let observer {
                var half = state
                torn(&half)
                half.changes += 1
                observer(Moment(operation: "half of a write", name: name, state: half))
            }
            if let code = state.failure(of: operation) {
                state.failures.append(Failure(operation: operation, name: name, code: code))
                torn?(&state)
                state.changes += 1
                throw FileError(operation: operation, name: name, code: code)
            }
            return try work(&state)
        }
    }

    fileprivate func release(_ opening: UInt64, _ range: Range<UInt64>) {
        change { state in state.locks.removeAll { $0.opening == opening && $0.range == range } }
    }
}

extension MemoryDisk.State {
    fileprivate var isDead: Bool { death.map { calls > $0 } ?? false }

    /// The errno with which the call that is due now is to fail.
    fileprivate mutating func failure(of operation: String) -> Int32? {
        if operation == "sync", let count = syncsToGo {
            syncsToGo = count > 0 ? count - 1 : nil
            if count == 0 { return EIO }
        }
        guard let failing, calls > failing.call else { return nil }
        self.failing = nil
        return failing.code
    }

    fileprivate func status(_ node: UInt64) -> FileStatus {
        FileStatus(
            size: nodes[node]?.file.size ?? 0, inode: node, names: UInt64(nodes[node]?.names ?? 0),
            modified: nodes[node]?.modified ?? 0, isRegular: nodes[node]?.isFolder != true)
    }

    fileprivate mutating func put(_ bytes: ArraySlice<UInt8>, in node: UInt64, at offset: UInt64) {
        nodes[node]?.file.write(bytes, at: offset)
        nodes[node]?.modified = time
        changes += 1
    }

    fileprivate mutating func resize(_ node: UInt64, to size: UInt64) {
        nodes[node]?.file.resize(to: size)
        nodes[node]?.modified = time
        changes += 1
    }

    /// A sync that is told of an earlier failure fails too.
    fileprivate mutating func report(to opening: UInt64, _ name: String) throws(FileError) {
        guard let known = openings[opening], let failed = nodes[known.node]?.failedSyncs, failed > known.failedSyncs
        else { return }
        openings[opening]?.failedSyncs = failed
        failedSyncs += 1
        throw FileError(operation: "sync", name: name, code: EIO)
    }

    /// A sync that fails: what it should have written is forgotten, and who has the file open will hear of it.
    fileprivate mutating func failSync(of opening: UInt64) {
        guard let node = openings[opening]?.node else { return }
        nodes[node]?.file.failSync()
        nodes[node]?.folder.failSync()
        nodes[node]?.failedSyncs += 1
        openings[opening]?.failedSyncs += 1
        failedSyncs += 1
    }
}

final class MemoryFolder: Directory {
    private let disk: MemoryDisk
    private let number: UInt64
    private let opening: UInt64

    fileprivate init(_ disk: MemoryDisk, _ number: UInt64, opening: UInt64) {
        self.disk = disk
        self.number = number
        self.opening = opening
    }

    fileprivate convenience init(_ disk: MemoryDisk, _ number: UInt64) {
        var opening: UInt64 = 0
        disk.change { opening = $0.open(number) }
        self.init(disk, number, opening: opening)
    }

    deinit { disk.change { [opening] in $0.close(opening) } }

    private func entry(_ name: String, _ state: MemoryDisk.State) -> UInt64? {
        state.nodes[number]?.folder.names[name]
    }

    private func file(_ node: UInt64, _ name: String, _ state: inout MemoryDisk.State) -> MemoryFile {
        MemoryFile(disk, node, opening: state.open(node), name: name)
    }

    func open(_ name: String) throws(FileError) -> (any File)? {
        try disk.call("open", name) { state in
            guard let node = self.entry(name, state) else { return nil }
            return self.file(node, name, &state)
        }
    }

    func create(_ name: String) throws(FileError) -> any File {
        try disk.call("create", name) { state in
            if let node = self.entry(name, state) { return self.file(node, name, &state) }
            let node = state.newNode()
            state.setName(name, in: self.number, to: node)
            return self.file(node, name, &state)
        }
    }

    func createNameless() throws(FileError) -> any File {
        try disk.call("create", "a nameless file") { state in
            self.file(state.newNode(), "a nameless file", &state)
        }
    }

    func status(_ name: String) throws(FileError) -> FileStatus? {
        try disk.call("look at", name) { state in
            self.entry(name, state).map { state.status($0) }
        }
    }

    func rename(
        _ name: String, to directory: any Directory, as newName: String, replacing: Bool
    ) throws(FileError) -> Bool {
        guard let target = (directory as? MemoryFolder)?.number else {
            throw FileError(operation: "rename", name: name, code: EXDEV)
        }
        return try disk.call("rename", name) { state throws(FileError) in
            guard let node = self.entry(name, state) else {
                throw FileError(operation: "rename", name: name, code: ENOENT)
            }
            if let old = state.nodes[target]?.folder.names[newName] {
                guard replacing else { return false }
                if state.nodes[old]?.isFolder == true {
                    throw FileError(operation: "rename", name: name, code: EISDIR)
                }
            }
            state.rename(name, in: self.number, to: newName, in: target, node)
            return true
        }
    }

    func remove(_ name: String) throws(FileError) {
        // The bytes stay for those who have the file open.
        try disk.call("remove", name) { state in state.setName(name, in: self.number, to: nil) }
    }

    func removeFolder(_ name: String) throws(FileError) {
        try disk.call("remove", name) { state in
            guard let node = self.entry(name, state), state.nodes[node]?.folder.names.isEmpty == true else { return }
            state.setName(name, in: self.number, to: nil)
        }
    }

    func existingFolder(_ name: String) throws(FileError) -> (any Directory)? {
        try disk.call("open", name) { state throws(FileError) in
            guard let node = self.entry(name, state) else { return nil }
            guard state.nodes[node]?.isFolder == true else {
                throw FileError(operation: "open", name: name, code: ENOTDIR)
            }
            return MemoryFolder(self.disk, node, opening: state.open(node))
        }
    }

    func space() throws(FileError) -> Space {
        try disk.call("ask for the free space of", "a folder") { _ in Space(free: 1 << 40, total: 1 << 41) }
    }

    func names() throws(FileError) -> [String] {
        try disk.call("list", "a folder") { state in
            // In an order that doesn't change from one run to the next.
            (state.nodes[self.number]?.folder.names ?? [:]).sorted { $0.value < $1.value }.map(\.key)
        }
    }

    func folder(_ name: String) throws(FileError) -> any Directory {
        try disk.call("open", name) { state in
            if self.entry(name, state) == nil {
                state.setName(name, in: self.number, to: state.newNode(isFolder: true))
            }
            let node = self.entry(name, state) ?? 0
            return MemoryFolder(self.disk, node, opening: state.open(node))
        }
    }

    func sync() throws(FileError) {
        try disk.call("sync", "a folder", torn: { $0.failSync(of: self.opening) }) { state throws(FileError) in
            try state.report(to: self.opening, "a folder")
            state.syncFolder(self.number)
        }
    }
}

final class MemoryFile: File {
    private let disk: MemoryDisk
    private let node: UInt64
    private let opening: UInt64
    private let name: String

    fileprivate init(_ disk: MemoryDisk, _ node: UInt64, opening: UInt64, name: String) {
        self.disk = disk
        self.node = node
        self.opening = opening
        self.name = name
    }

    deinit { disk.change { [opening] in $0.close(opening) } }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int {
        let count = buffer.count
        let bytes = try disk.call("read", name) { state in
            state.nodes[self.node]?.file.read(at: offset, atMost: count) ?? []
        }
        buffer.copyBytes(from: bytes)
        return bytes.count
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
        let bytes = Array(bytes)
        guard !bytes.isEmpty else { return }
        let half = bytes.prefix(bytes.count / 2)
        try disk.call("write", name, torn: { $0.put(half, in: self.node, at: offset) }) { state in
            state.put(bytes[...], in: self.node, at: offset)
        }
    }

    func status() throws(FileError) -> FileStatus {
        try disk.call("look at", name) { state in state.status(self.node) }
    }

    func truncate(to size: UInt64) throws(FileError) {
        try disk.call("truncate", name) { state in state.resize(self.node, to: size) }
    }

    func reserve(_ size: UInt64) throws(FileError) -> Bool {
        try disk.call("reserve the space of", name) { state in
            if state.status(self.node).size < size { state.resize(self.node, to: size) }
            return true
        }
    }

    func copy(
        from source: any File, at sourceOffset: UInt64, length: UInt64, to offset: UInt64
    ) throws(FileError) -> UInt64 {
        guard let source = source as? MemoryFile else { throw FileError(operation: "copy", name: name, code: EXDEV) }
        return try disk.call("copy to", name) { state in
            let bytes = state.nodes[source.node]?.file.read(at: sourceOffset, atMost: Int(length)) ?? []
            if !bytes.isEmpty { state.put(bytes[...], in: self.node, at: offset) }
            return UInt64(bytes.count)
        }
    }

    // Promises nothing, so it does nothing: a power cut keeps each unsynced write or doesn't.
    func startWriteBack() {}

    func touch(_ time: UInt64) throws(FileError) {
        try disk.call("touch", name) { state in
            state.nodes[self.node]?.modified = time
            state.changes += 1
        }
    }

    func sync() throws(FileError) {
        try disk.call("sync", name, torn: { $0.failSync(of: self.opening) }) { state throws(FileError) in
            try state.report(to: self.opening, self.name)
            state.syncFile(self.node)
        }
    }

    func lock(offset: UInt64, length: UInt64, wait: Bool) throws(FileError) -> Bool {
        try disk.call("lock", name) { state throws(FileError) in
            let range = offset..<(length == 0 ? .max : offset + length)
            if state.locks.contains(where: {
                $0.node == self.node && $0.opening != self.opening && $0.range.overlaps(range)
            }) {
                throw FileError(operation: "lock", name: self.name, code: EDEADLK)
            }
            state.locks.append(MemoryDisk.Claim(node: self.node, opening: self.opening, range: range))
            return true
        }
    }

    func unlock(offset: UInt64, length: UInt64) {
        disk.release(opening, offset..<(length == 0 ? .max : offset + length))
    }
}
