import Glibc
import Linux
package import UploadStore

// A file system in memory. Its calls can fail, another process can work in between, and its power can be cut at every
// call (PowerCut.swift says what is left then). Its state is a value, so a copy is a snapshot. Only one thread uses it
// at a time: a call that would wait for a lock fails with EDEADLK, since it would wait for ever.

/// The disk: files and folders by number, their openings and locks, and the calls that are to fail.
package final class MemoryDisk: Sendable {
    /// A file or a folder. Its number is used again after its last name and opening are gone, as on a real disk.
    package struct Node {
        package var file = FileContent()
        package var folder = FolderContent()
        package var isFolder = false
        /// How many names it has.
        package var names = 0
        /// Unix seconds of the disk's own clock.
        package var modified: UInt64 = 0
        /// How many of its syncs have failed. Each opening reports, once, a failure that came after it was opened.
        package var failedSyncs = 0

        /// The bytes that reads return.
        package var bytes: [UInt8] { file.bytes }
        package var entries: [String: UInt64] { folder.names }
    }

    package struct Opening {
        package var node: UInt64
        /// The process that it belongs to.
        package var process: Int
        /// How many failed syncs it has reported.
        package var failedSyncs: Int
    }

    package struct Claim {
        package var node: UInt64
        package var opening: UInt64
        package var range: Range<UInt64>
    }

    /// A call that failed.
    package struct Failure: Equatable {
        package var operation: String
        package var name: String
        package var code: Int32
    }

    /// A call, for an observer, with the disk before it.
    package struct Moment {
        package var operation: String
        package var name: String
        package var state: State
    }

    package struct State {
        package var nodes: [UInt64: Node] = [1: Node(isFolder: true, names: 1)]
        package var openings: [UInt64: Opening] = [:]
        package var locks: [Claim] = []
        /// The disk's clock, in Unix seconds.
        package var time: UInt64 = 0
        /// Counts the changes of the disk, or of what a power cut would leave of it.
        package var changes = 0
        package var calls = 0
        package var failing: (call: Int, code: Int32)?
        /// True if the process whose call fails dies in it, while the others live on.
        package var failureKills = false
        /// The processes that have died: none of their calls reaches the disk any more.
        package var deadProcesses: Set<Int> = []
        /// How many syncs succeed before one fails.
        package var syncsToGo: Int?
        /// The number of the last call that reaches the disk.
        package var death: Int?
        package var failures: [Failure] = []
        /// How many syncs have reported a failure.
        package var failedSyncs = 0
        /// Counts renames, each of which changes two names.
        package var renames = 0
        private var lastOpening: UInt64 = 0

        package mutating func newNode(isFolder: Bool = false) -> UInt64 {
            var number: UInt64 = 2
            while nodes[number] != nil { number += 1 }
            nodes[number] = Node(isFolder: isFolder, modified: time)
            return number
        }

        package mutating func open(_ node: UInt64, _ process: Int) -> UInt64 {
            lastOpening += 1
            openings[lastOpening] = Opening(node: node, process: process, failedSyncs: nodes[node]?.failedSyncs ?? 0)
            return lastOpening
        }

        package mutating func close(_ opening: UInt64) {
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

    /// An empty disk, or one with that state.
    package init(_ state: State = State()) {
        self.state = Lock(state)
    }

    /// The root folder.
    package var root: MemoryFolder { root(of: 0) }

    /// The root folder, as a process opens it.
    package func root(of process: Int) -> MemoryFolder { MemoryFolder(self, 1, process: process) }

    /// Makes one call fail with that errno, after `count` more calls.
    ///
    /// - Parameter kills: true if the process that makes the call dies in it.
    package func fail(after count: Int, code: Int32, kills: Bool = false) {
        state.withLock { state in
            state.failing = (state.calls + count, code)
            state.failureKills = kills
        }
    }

    /// Makes one sync fail with EIO, after `count` more syncs.
    package func failSync(after count: Int) { change { $0.syncsToGo = count } }

    /// True once no call reaches the disk any more.
    package var isDead: Bool { inspect(\.isDead) }

    /// After `count` more calls no call reaches the disk any more, as if all processes had died.
    package func die(after count: Int) {
        state.withLock { $0.death = $0.calls + count }
    }

    /// Sets a function that is called before each call, and also in the middle of each write.
    package func observe(_ observer: (@Sendable (Moment) -> Void)?) {
        self.observer.withLock { $0 = observer }
    }

    /// After `count` more calls, runs `work` before the next one, as another process might.
    package func interrupt(after count: Int, _ work: @escaping @Sendable () -> Void) {
        let call = inspect { $0.calls } + count
        guest.withLock { $0 = Guest(call: call, work: work) }
    }

    /// Cancels an interruption.
    ///
    /// - Returns: false if it has taken place.
    package func cancelInterruption() -> Bool { guest.withLock { $0.take() != nil } }

    private func letGuestWork() {
        let calls = inspect { $0.calls }
        let due = guest.withLock { guest -> (@Sendable () -> Void)? in
            guard let due = guest, calls >= due.call else { return nil }
            guest = nil
            return due.work
        }
        due?()
    }

    /// The calls that have failed.
    package var failures: [Failure] { state.withLock { $0.failures } }

    /// The disk's clock, in Unix seconds.
    package var time: UInt64 { inspect { $0.time } }

    package func wait(seconds: UInt64) { change { $0.time += seconds } }

    /// Reads the state. This is not a call and cannot fail.
    package func inspect<Result: Sendable>(_ look: (State) -> Result) -> Result { state.withLock { look($0) } }

    /// Changes the state. This is not a call and cannot fail.
    package func change(_ work: (inout State) -> Void) { state.withLock { work(&$0) } }

    /// The number of a file with that name in any folder; nil if there is none.
    package func number(of name: String) -> UInt64? {
        inspect { state in state.nodes.values.lazy.compactMap { $0.entries[name] }.first }
    }

    /// Inverts a byte.
    package func flip(byte: Int, of node: UInt64) {
        change { state in
            guard let bytes = state.nodes[node]?.bytes else { return }
            state.nodes[node]?.file.write([bytes[byte] ^ 0xff], at: UInt64(byte))
        }
    }

    /// One disk call. If it fails it changes nothing, except for what `torn` does.
    fileprivate func call<Result: Sendable>(
        _ process: Int, _ operation: String, _ name: String, torn: ((inout State) -> Void)? = nil,
        _ work: (inout State) throws(FileError) -> Result
    ) throws(FileError) -> Result {
        letGuestWork()
        let observer = observer.withLock { $0 }
        return try state.withLock { state throws(FileError) in
            state.calls += 1
            if state.isDead || state.deadProcesses.contains(process) {
                throw FileError(operation: operation, name: name, code: EIO)
            }
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
                if state.failureKills { state.kill(process) }
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

    /// The errno with which the current call fails; nil if it succeeds.
    fileprivate mutating func failure(of operation: String) -> Int32? {
        if operation == "sync", let count = syncsToGo {
            syncsToGo = count > 0 ? count - 1 : nil
            if count == 0 { return EIO }
        }
        guard let failing, calls > failing.call else { return nil }
        self.failing = nil
        return failing.code
    }

    /// Ends a process: its locks are gone, and none of its calls reaches the disk any more.
    fileprivate mutating func kill(_ process: Int) {
        deadProcesses.insert(process)
        locks.removeAll { openings[$0.opening]?.process == process }
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

    /// Fails a sync by an opening that has not reported an earlier failure yet.
    fileprivate mutating func report(to opening: UInt64, _ name: String) throws(FileError) {
        guard let known = openings[opening], let failed = nodes[known.node]?.failedSyncs, failed > known.failedSyncs
        else { return }
        openings[opening]?.failedSyncs = failed
        failedSyncs += 1
        throw FileError(operation: "sync", name: name, code: EIO)
    }

    /// A failed sync: the changes that it should have written are dropped, and all openings will report the failure.
    fileprivate mutating func failSync(of opening: UInt64) {
        guard let node = openings[opening]?.node else { return }
        nodes[node]?.file.failSync()
        nodes[node]?.folder.failSync()
        nodes[node]?.failedSyncs += 1
        openings[opening]?.failedSyncs += 1
        failedSyncs += 1
    }
}

package final class MemoryFolder: Directory {
    private let disk: MemoryDisk
    private let number: UInt64
    private let opening: UInt64
    private let process: Int

    fileprivate init(_ disk: MemoryDisk, _ number: UInt64, opening: UInt64, process: Int) {
        self.process = process
        self.disk = disk
        self.number = number
        self.opening = opening
    }

    fileprivate convenience init(_ disk: MemoryDisk, _ number: UInt64, process: Int) {
        var opening: UInt64 = 0
        disk.change { opening = $0.open(number, process) }
        self.init(disk, number, opening: opening, process: process)
    }

    deinit { disk.change { [opening] in $0.close(opening) } }

    private func entry(_ name: String, _ state: MemoryDisk.State) -> UInt64? {
        state.nodes[number]?.folder.names[name]
    }

    private func file(_ node: UInt64, _ name: String, _ state: inout MemoryDisk.State) -> MemoryFile {
        MemoryFile(disk, node, opening: state.open(node, self.process), process: self.process, name: name)
    }

    package func open(_ name: String) throws(FileError) -> (any File)? {
        try disk.call(process, "open", name) { state in
            guard let node = self.entry(name, state) else { return nil }
            return self.file(node, name, &state)
        }
    }

    package func openForReading(_ name: String) throws(FileError) -> (any File)? { try open(name) }

    package func create(_ name: String) throws(FileError) -> any File { try create(name, appends: false) }

    private func create(_ name: String, appends: Bool) throws(FileError) -> any File {
        try disk.call(process, "create", name) { state in
            let node = self.entry(name, state) ?? state.newNode()
            if self.entry(name, state) == nil { state.setName(name, in: self.number, to: node) }
            return MemoryFile(
                self.disk, node, opening: state.open(node, self.process), process: self.process, name: name,
                appends: appends)
        }
    }

    package func createForAppending(_ name: String) throws(FileError) -> any File {
        try create(name, appends: true)
    }

    package func createNameless() throws(FileError) -> any File {
        try disk.call(process, "create", "a nameless file") { state in
            self.file(state.newNode(), "a nameless file", &state)
        }
    }

    package func status(_ name: String) throws(FileError) -> FileStatus? {
        try disk.call(process, "look at", name) { state in
            self.entry(name, state).map { state.status($0) }
        }
    }

    package func rename(
        _ name: String, to directory: any Directory, as newName: String, replacing: Bool
    ) throws(FileError) -> Bool {
        guard let target = (directory as? MemoryFolder)?.number else {
            throw FileError(operation: "rename", name: name, code: EXDEV)
        }
        return try disk.call(process, "rename", name) { state throws(FileError) in
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

    package func remove(_ name: String) throws(FileError) {
        // The bytes stay for openings of the file.
        try disk.call(process, "remove", name) { state in state.setName(name, in: self.number, to: nil) }
    }

    package func removeFolder(_ name: String) throws(FileError) {
        try disk.call(process, "remove", name) { state in
            guard let node = self.entry(name, state), state.nodes[node]?.folder.names.isEmpty == true else { return }
            state.setName(name, in: self.number, to: nil)
        }
    }

    package func existingFolder(_ name: String) throws(FileError) -> (any Directory)? {
        try disk.call(process, "open", name) { state throws(FileError) in
            guard let node = self.entry(name, state) else { return nil }
            guard state.nodes[node]?.isFolder == true else {
                throw FileError(operation: "open", name: name, code: ENOTDIR)
            }
            return MemoryFolder(self.disk, node, opening: state.open(node, self.process), process: self.process)
        }
    }

    package func isCurrent(in parent: (any Directory)?) -> Bool { true }

    package func space() throws(FileError) -> Space {
        try disk.call(process, "ask for the free space of", "a folder") { _ in Space(free: 1 << 40, total: 1 << 41) }
    }

    package func names() throws(FileError) -> [String] {
        try disk.call(process, "list", "a folder") { state in
            // In the same order in each run.
            (state.nodes[self.number]?.folder.names ?? [:]).sorted { $0.value < $1.value }.map(\.key)
        }
    }

    package func folder(_ name: String) throws(FileError) -> any Directory {
        try disk.call(process, "open", name) { state in
            if self.entry(name, state) == nil {
                state.setName(name, in: self.number, to: state.newNode(isFolder: true))
            }
            let node = self.entry(name, state) ?? 0
            return MemoryFolder(self.disk, node, opening: state.open(node, self.process), process: self.process)
        }
    }

    package func sync() throws(FileError) {
        try disk.call(process, "sync", "a folder", torn: { $0.failSync(of: self.opening) }) { state throws(FileError) in
            try state.report(to: self.opening, "a folder")
            state.syncFolder(self.number)
        }
    }
}

package final class MemoryFile: File {
    private let disk: MemoryDisk
    private let node: UInt64
    private let opening: UInt64
    private let process: Int
    private let name: String
    private let appends: Bool

    fileprivate init(
        _ disk: MemoryDisk, _ node: UInt64, opening: UInt64, process: Int, name: String, appends: Bool = false
    ) {
        self.process = process
        self.appends = appends
        self.disk = disk
        self.node = node
        self.opening = opening
        self.name = name
    }

    deinit { disk.change { [opening] in $0.close(opening) } }

    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int {
        let count = buffer.count
        let bytes = try disk.call(process, "read", name) { state in
            state.nodes[self.node]?.file.read(at: offset, atMost: count) ?? []
        }
        buffer.copyBytes(from: bytes)
        return bytes.count
    }

    package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
        let bytes = Array(bytes)
        guard !bytes.isEmpty else { return }
        let half = bytes.prefix(bytes.count / 2)
        func put(_ bytes: ArraySlice<UInt8>, _ state: inout MemoryDisk.State) {
            state.put(bytes, in: self.node, at: appends ? state.status(node).size : offset)
        }
        try disk.call(process, "write", name, torn: { put(half, &$0) }) { state in put(bytes[...], &state) }
    }

    package func status() throws(FileError) -> FileStatus {
        try disk.call(process, "look at", name) { state in state.status(self.node) }
    }

    package func truncate(to size: UInt64) throws(FileError) {
        try disk.call(process, "truncate", name) { state in state.resize(self.node, to: size) }
    }

    package func reserve(_ size: UInt64) throws(FileError) -> Bool {
        try disk.call(process, "reserve the space of", name) { state in
            if state.status(self.node).size < size { state.resize(self.node, to: size) }
            return true
        }
    }

    package func copy(
        from source: any File, at sourceOffset: UInt64, length: UInt64, to offset: UInt64
    ) throws(FileError) -> UInt64 {
        guard let source = source as? MemoryFile else { throw FileError(operation: "copy", name: name, code: EXDEV) }
        return try disk.call(process, "copy to", name) { state in
            let bytes = state.nodes[source.node]?.file.read(at: sourceOffset, atMost: Int(length)) ?? []
            if !bytes.isEmpty { state.put(bytes[...], in: self.node, at: offset) }
            return UInt64(bytes.count)
        }
    }

    // Does nothing: it promises nothing, and a power cut may keep any unsynced write anyway.
    package func startWriteBack() {}

    package func touch(_ time: UInt64) throws(FileError) {
        try disk.call(process, "touch", name) { state in
            state.nodes[self.node]?.modified = time
            state.changes += 1
        }
    }

    package func sync() throws(FileError) {
        try disk.call(process, "sync", name, torn: { $0.failSync(of: self.opening) }) { state throws(FileError) in
            try state.report(to: self.opening, self.name)
            state.syncFile(self.node)
        }
    }

    package func attribute() throws(FileError) -> [UInt8]? {
        try disk.call(process, "read the attribute of", name) { state in state.nodes[self.node]?.file.attribute }
    }

    package func setAttribute(_ bytes: [UInt8]) throws(FileError) -> Bool {
        try disk.call(process, "set the attribute of", name) { state in
            state.nodes[self.node]?.file.setAttribute(bytes)
            state.changes += 1
            return true
        }
    }

    package func removeAttribute() throws(FileError) {
        try disk.call(process, "remove the attribute of", name) { state throws(FileError) in
            guard state.nodes[self.node]?.file.attribute != nil else {
                throw FileError(operation: "remove the attribute of", name: self.name, code: ENODATA)
            }
            state.nodes[self.node]?.file.setAttribute(nil)
            state.changes += 1
        }
    }

    package func syncWithAttribute() throws(FileError) {
        try disk.call(process, "sync", name, torn: { $0.failSync(of: self.opening) }) { state throws(FileError) in
            try state.report(to: self.opening, self.name)
            state.syncFile(self.node)
            state.nodes[self.node]?.file.syncAttribute()
        }
    }

    package func lock(offset: UInt64, length: UInt64, wait: Bool) throws(FileError) -> Bool {
        try disk.call(process, "lock", name) { state throws(FileError) in
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

    package func unlock(offset: UInt64, length: UInt64) {
        disk.release(opening, offset..<(length == 0 ? .max : offset + length))
    }
}
