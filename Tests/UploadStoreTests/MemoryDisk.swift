import Glibc
import Linux
import Synchronization

@testable import UploadStore

// A file system in memory whose calls can fail. One thread works on it at a time: who would have to wait for a lock is
// told that it would be for ever.

/// The disk: files and folders by number, and how many calls to go until one fails.
final class MemoryDisk: Sendable {
    struct Node {
        var bytes: [UInt8] = []
        var entries: [String: UInt64] = [:]
        var isFolder = false
        var modified: UInt64 = 0
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

    struct State {
        var nodes: [UInt64: Node] = [1: Node(isFolder: true)]
        var locks: [Claim] = []
        var lastNumber: UInt64 = 1
        var calls = 0
        var failing: (call: Int, code: Int32)?
        var failures: [Failure] = []

        mutating func newNumber() -> UInt64 {
            lastNumber += 1
            return lastNumber
        }
    }

    private let state = Lock(State())
    private let guest = Lock<Guest?>(nil)

    private struct Guest {
        var call: Int
        var work: @Sendable () -> Void
    }

    /// The topmost folder.
    var root: MemoryFolder { MemoryFolder(self, 1) }

    /// Makes the call after `count` more fail, once, with that errno.
    func fail(after count: Int, code: Int32) {
        state.withLock { $0.failing = ($0.calls + count, code) }
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

    /// Looks at the disk past all failures.
    func inspect<Result: Sendable>(_ look: (State) -> Result) -> Result { state.withLock { look($0) } }

    /// The number of the file of that name, in whichever folder; nil if there is none.
    func number(of name: String) -> UInt64? {
        inspect { state in state.nodes.values.lazy.compactMap { $0.entries[name] }.first }
    }

    /// Spoils a byte.
    func flip(byte: Int, of node: UInt64) {
        state.withLock { $0.nodes[node]?.bytes[byte] ^= 0xff }
    }

    /// One disk call. It fails before it did anything, except that `torn` may do a part of it.
    fileprivate func call<Result: Sendable>(
        _ operation: String, _ name: String, torn: (inout State) -> Void = { _ in },
        _ work: (inout State) throws(FileError) -> Result
    ) throws(FileError) -> Result {
        letGuestWork()
        return try state.withLock { state throws(FileError) in
            state.calls += 1
            if let failing = state.failing, state.calls > failing.call {
                state.failing = nil
                state.failures.append(Failure(operation: operation, name: name, code: failing.code))
                torn(&state)
                throw FileError(operation: operation, name: name, code: failing.code)
            }
            return try work(&state)
        }
    }

    fileprivate func release(_ opening: UInt64, _ range: Range<UInt64>? = nil) {
        state.withLock { state in
            state.locks.removeAll { $0.opening == opening && (range == nil || $0.range == range) }
        }
    }
}

final class MemoryFolder: Directory {
    private let disk: MemoryDisk
    private let number: UInt64

    init(_ disk: MemoryDisk, _ number: UInt64) {
        self.disk = disk
        self.number = number
    }

    private func entry(_ name: String, _ state: MemoryDisk.State) -> UInt64? {
        state.nodes[number]?.entries[name]
    }

    func open(_ name: String) throws(FileError) -> (any File)? {
        try disk.call("open", name) { state in
            guard let node = self.entry(name, state) else { return nil }
            return MemoryFile(self.disk, node, opening: state.newNumber(), name: name)
        }
    }

    func create(_ name: String) throws(FileError) -> any File {
        try disk.call("create", name) { state in
            let node = self.entry(name, state) ?? state.newNumber()
            if state.nodes[node] == nil { state.nodes[node] = MemoryDisk.Node() }
            state.nodes[self.number]?.entries[name] = node
            return MemoryFile(self.disk, node, opening: state.newNumber(), name: name)
        }
    }

    func createNameless() throws(FileError) -> any File {
        try disk.call("create", "a nameless file") { state in
            let node = state.newNumber()
            state.nodes[node] = MemoryDisk.Node()
            return MemoryFile(self.disk, node, opening: state.newNumber(), name: "a nameless file")
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
            if let old = state.nodes[target]?.entries[newName] {
                guard replacing else { return false }
                if state.nodes[old]?.isFolder == true {
                    throw FileError(operation: "rename", name: name, code: EISDIR)
                }
            }
            state.nodes[self.number]?.entries[name] = nil
            state.nodes[target]?.entries[newName] = node
            return true
        }
    }

    func remove(_ name: String) throws(FileError) {
        try disk.call("remove", name) { state in
            // The bytes stay for those who have the file open.
            state.nodes[self.number]?.entries[name] = nil
        }
    }

    func removeFolder(_ name: String) throws(FileError) {
        try disk.call("remove", name) { state in
            guard let node = self.entry(name, state), state.nodes[node]?.entries.isEmpty == true else { return }
            state.nodes[self.number]?.entries[name] = nil
        }
    }

    func existingFolder(_ name: String) throws(FileError) -> (any Directory)? {
        try disk.call("open", name) { state throws(FileError) in
            guard let node = self.entry(name, state) else { return nil }
            guard state.nodes[node]?.isFolder == true else {
                throw FileError(operation: "open", name: name, code: ENOTDIR)
            }
            return MemoryFolder(self.disk, node)
        }
    }

    func space() throws(FileError) -> Space {
        try disk.call("ask for the free space of", "a folder") { _ in Space(free: 1 << 40, total: 1 << 41) }
    }

    func names() throws(FileError) -> [String] {
        try disk.call("list", "a folder") { state in (state.nodes[self.number]?.entries.keys).map(Array.init) ?? [] }
    }

    func folder(_ name: String) throws(FileError) -> any Directory {
        try disk.call("open", name) { state in
            let node = self.entry(name, state) ?? state.newNumber()
            if state.nodes[node] == nil { state.nodes[node] = MemoryDisk.Node(isFolder: true) }
            state.nodes[self.number]?.entries[name] = node
            return MemoryFolder(self.disk, node)
        }
    }

    func sync() throws(FileError) {
        try disk.call("sync", "a folder") { _ in }
    }
}

extension MemoryDisk.State {
    fileprivate func status(_ node: UInt64) -> FileStatus {
        let names = nodes.values.reduce(0) { $0 + $1.entries.values.count { $0 == node } }
        return FileStatus(
            size: UInt64(nodes[node]?.bytes.count ?? 0), inode: node, names: UInt64(names),
            modified: nodes[node]?.modified ?? 0)
    }

    fileprivate mutating func put(_ bytes: [UInt8], in node: UInt64, at offset: Int) {
        guard var old = nodes[node]?.bytes else { return }
        if old.count < offset + bytes.count {
            old += [UInt8](repeating: 0, count: offset + bytes.count - old.count)
        }
        old.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        nodes[node]?.bytes = old
    }
}

final class MemoryFile: File {
    private let disk: MemoryDisk
    private let node: UInt64
    private let opening: UInt64
    private let name: String

    init(_ disk: MemoryDisk, _ node: UInt64, opening: UInt64, name: String) {
        self.disk = disk
        self.node = node
        self.opening = opening
        self.name = name
    }

    deinit { disk.release(opening) }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int {
        let count = buffer.count
        let bytes = try disk.call("read", name) { state in
            Array((state.nodes[self.node]?.bytes ?? []).dropFirst(Int(offset)).prefix(count))
        }
        buffer.copyBytes(from: bytes)
        return bytes.count
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
        let bytes = Array(bytes)
        guard !bytes.isEmpty else { return }
        let half = Array(bytes[..<(bytes.count / 2)])
        try disk.call("write", name, torn: { $0.put(half, in: self.node, at: Int(offset)) }) { state in
            state.put(bytes, in: self.node, at: Int(offset))
        }
    }

    func status() throws(FileError) -> FileStatus {
        try disk.call("look at", name) { state in state.status(self.node) }
    }

    func truncate(to size: UInt64) throws(FileError) {
        try disk.call("truncate", name) { state in
            let bytes = state.nodes[self.node]?.bytes ?? []
            let zeros = [UInt8](repeating: 0, count: max(0, Int(size) - bytes.count))
            state.nodes[self.node]?.bytes = Array(bytes.prefix(Int(size))) + zeros
        }
    }

    func reserve(_ size: UInt64) throws(FileError) -> Bool {
        try disk.call("reserve the space of", name) { state in
            let count = state.nodes[self.node]?.bytes.count ?? 0
            state.nodes[self.node]?.bytes += [UInt8](repeating: 0, count: max(0, Int(size) - count))
            return true
        }
    }

    func copy(
        from source: any File, at sourceOffset: UInt64, length: UInt64, to offset: UInt64
    ) throws(FileError) -> UInt64 {
        guard let source = source as? MemoryFile else { throw FileError(operation: "copy", name: name, code: EXDEV) }
        return try disk.call("copy to", name) { state in
            let bytes = Array(
                (state.nodes[source.node]?.bytes ?? []).dropFirst(Int(sourceOffset)).prefix(Int(length)))
            state.put(bytes, in: self.node, at: Int(offset))
            return UInt64(bytes.count)
        }
    }

    func startWriteBack(offset: UInt64, length: UInt64) {}

    func touch(_ time: UInt64) throws(FileError) {
        try disk.call("touch", name) { state in state.nodes[self.node]?.modified = time }
    }

    func sync() throws(FileError) {
        try disk.call("sync", name) { _ in }
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
