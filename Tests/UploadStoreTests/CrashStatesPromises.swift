import StoreTestSupport
import TestSupport
import UploadModel

@testable import UploadStore

// Checks PROTOCOL.md, Promises, after a crash: at once, after the clients have gone on, after another power cut, and
// after everything has expired.

/// A disk after a crash, and the responses that its clients got before.
struct Aftermath {
    /// A fault that happens while the clients go on.
    enum Trouble: CaseIterable { case none, crash, failedSync }

    let plan: CrashPlan
    private var state: MemoryDisk.State
    private var ledger: Ledger
    private var generator: SplitMix64
    /// A generator of its own for damages, so that all else of a seed is the same with and without them.
    private var damages: SplitMix64
    private var isDamaged = false
    private var boot: UInt64 = 1
    private var crashes = 0
    private let isTold: Bool

    /// - Parameter isTold: true to print all that happens.
    init(_ plan: CrashPlan, _ picture: Picture, seed: UInt64, isTold: Bool) {
        self.isTold = isTold
        self.plan = plan
        state = picture.state
        ledger = picture.ledger
        generator = SplitMix64(seed: seed)
        damages = SplitMix64(seed: ~seed)
        if !state.failures.isEmpty { giveUpAll() }
    }

    /// - Throws: `Violation`.
    mutating func check(after crash: Crash) throws {
        fall(crash)
        let damage = damages.next() >> 32 % 6
        if damage == 0 {
            let disk = MemoryDisk(state)
            try self.damage(disk)
            state = disk.inspect { $0 }
            giveUpUnfinished()
        }
        // In half of the cases there is no fault.
        let trouble = generator.next() >> 32 % 2 == 0 ? Trouble.none : Trouble.allCases[Int(generator.next() >> 32 % 3)]
        if trouble != .none {
            let disk = MemoryDisk(state)
            let count = Int(generator.next() >> 32 % 60)
            if trouble == .crash { disk.die(after: count) }
            // Not the first two calls: if the store cannot be opened, there is nothing to check.
            if trouble == .failedSync { disk.failSync(after: 2 + count / 6) }
            do { try goOn(disk) } catch {
                // The process is dead already.
                guard trouble == .crash && disk.isDead else { throw error }
            }
            state = disk.inspect { $0 }
            if !disk.failures.isEmpty { giveUpAll() }
            fall(generator.next() >> 32 % 2 == 0 ? .kill : .powerCut)
        }
        var disk = MemoryDisk(state)
        try goOn(disk, damaging: damage == 1)
        // Chunks that were acknowledged since must survive, too.
        state = disk.inspect { $0 }
        fall(.powerCut)
        let calm = disk
        disk = MemoryDisk(state)
        try lookAround(open(disk), disk)
        try expire(calm)
    }

    private mutating func fall(_ crash: Crash) {
        if isTold { print("---", crash) }
        state = crash == .kill ? state.killed() : state.afterPowerCut(seed: generator.next())
        if crash == .powerCut { boot += 1 }
        crashes += 1
        if isTold { print(state.story, journals(), separator: "\n") }
        ledger.crash(crash, isDurable: plan.settings.durability == .chunk && !ledger.syncFailed)
    }

    /// A sync has failed, and the uploads that depended on it were removed: only complete files are promised.
    private mutating func giveUpAll() {
        ledger.syncFailed = true
        giveUpUnfinished()
    }

    private mutating func giveUpUnfinished() {
        for client in plan.clients.indices where ledger.uploads[client].completed == nil { ledger.giveUp(client) }
    }

    /// Removes data files, or cuts them short, as an administrator or a broken disk may.
    private mutating func damage(_ disk: MemoryDisk) throws {
        isDamaged = true
        let folder = try disk.root.folder(LocalStore.stateFolder)
        for name in try folder.names() where name.hasSuffix(UploadFiles.dataSuffix) {
            // After a power cut, a finished file may have its old name as well.
            guard let file = try folder.open(name), try file.status().names == 1 else { continue }
            let size = try file.status().size
            switch damages.next() >> 32 % 3 {
            case 0: try folder.remove(name)
            case 1: try file.truncate(to: UInt64.random(in: 0...size, using: &damages))
            default: break
            }
        }
    }

    private func open(_ disk: MemoryDisk) throws -> LocalStore {
        if isTold { disk.observe { print($0.operation, $0.name) } }
        return try LocalStore(root: disk.root, boot: BootID(low: boot, high: 0), settings: plan.settings) { disk.time }
    }

    /// A description of the journals.
    private func journals() -> String {
        // A copy of the disk, so that reading doesn't count as calls.
        guard let folder = try? MemoryDisk(state).root.folder(LocalStore.stateFolder) else { return "no journals" }
        let lines = state.stateNames.filter { $0.hasSuffix(UploadFiles.journalSuffix) }.flatMap { name in
            var records: [JournalRecord] = []
            let journal = try? (try? folder.open(name)).flatMap {
                try Journal.read($0) { record, _ in records.append(record) }
            }
            return [journal?.header.texts.description ?? name] + records.map { "    \($0)" }
        }
        return lines.joined(separator: "\n")
    }

    // MARK: The clients go on

    /// - Parameter damaging: true to damage data files while the process has them open.
    private mutating func goOn(_ disk: MemoryDisk, damaging: Bool = false) throws {
        let store = try open(disk)
        try lookAround(store, disk)
        if !disk.failures.isEmpty { giveUpAll() }
        let diary = Diary(ledger)
        defer { ledger = diary.now }
        var clients = Clients(plan: plan, disk: disk, diary: diary, generator: SplitMix64(seed: generator.next()))
        for client in plan.clients.indices where !diary.now.uploads[client].isForgotten {
            try expectPromised(client, &clients, store)
        }
        if damaging {
            try damage(disk)
            clients.isDamaged = true
            diary.write { [plan] ledger in
                for client in plan.clients.indices where ledger.uploads[client].completed == nil {
                    ledger.giveUp(client)
                }
            }
        }
        for client in plan.clients.indices { try finish(client, &clients, store) }
        try expectFiles(disk, diary.now)
        try clients.deliver(from: store)
        // After a failed sync, a file's last step and its event may have to wait for the next start.
        if disk.failures.isEmpty { try expectEvents(Outbox(store), disk, diary.now) }
    }

    /// Before any request: every file under a final name is whole, and every complete file is there.
    private func lookAround(_ store: LocalStore, _ disk: MemoryDisk) throws {
        for failure in store.recover() where disk.failures.isEmpty {
            // It has removed a damaged upload, and says so.
            if isDamaged, case .untrusted = failure { continue }
            guard failure == .nameTaken && plan.settings.onConflict == .refuse else {
                throw Violation("recovery failed: \(failure)")
            }
        }
        // After a failed sync, a file that could not be synced under its final name was renamed back.
        if disk.failures.isEmpty { try expectFiles(disk, ledger) }
    }

    private func expectPromised(_ client: Int, _ clients: inout Clients, _ store: LocalStore) throws {
        let disk = clients.disk
        let name = plan.clients[client].id.identifier
        for index in plan.clients[client].chunks.indices {
            let before = clients.diary.now.uploads[client]
            guard let answer = try clients.test(client, index, store) else { continue }
            let upload = clients.diary.now.uploads[client]
            if before.completed != nil {
                guard answer.isComplete || clients.diary.now.isReplaced(client, plan) else {
                    throw Violation("\(name) was acknowledged as complete, and nobody knows of it")
                }
            } else if !answer.isHeld {
                let isPromised = upload.chunks[index].isPromised && disk.failures.isEmpty
                guard !isPromised || upload.isRefused else {
                    throw Violation("chunk \(index) of \(name) was acknowledged, and is missing")
                }
                clients.diary.write { $0.miss(client, index) }
            }
        }
    }

    /// Sends the missing chunks until the file is complete.
    private func finish(_ client: Int, _ clients: inout Clients, _ store: LocalStore) throws {
        for _ in 0..<4 {
            for index in plan.clients[client].chunks.indices {
                let upload = clients.diary.now.uploads[client]
                if upload.completed != nil || upload.isRefused { return }
                guard let answer = try clients.test(client, index, store), !answer.isHeld else { continue }
                clients.diary.write { $0.miss(client, index) }
                guard var sending = try clients.begin(client, index, version: 0, to: store) else { continue }
                while case .goesOn = try clients.advance(&sending, to: store) {}
            }
        }
        let upload = clients.diary.now.uploads[client]
        guard upload.completed != nil || upload.isRefused else {
            throw Violation("\(plan.clients[client].id.identifier) never becomes complete")
        }
    }

    // MARK: Files

    /// Each file is a foreign one, unchanged, or one of Flask's parts, or the whole file of one upload.
    private func expectFiles(_ disk: MemoryDisk, _ ledger: Ledger) throws {
        var files = disk.inspect { $0.files }
        for (name, bytes) in plan.foreign {
            let mayGo = plan.settings.onConflict == .replace && plan.clients.indices.contains { plan.path($0) == name }
            if files[name] == bytes {
                files[name] = nil
            } else if !mayGo {
                throw Violation("\(name), which was there before, is changed")
            }
        }
        for client in plan.clients.indices {
            let uploader = plan.clients[client]
            for (chunk, length) in uploader.parts {
                let name = uploader.id.identifier + "/" + uploader.partName(chunk)
                guard let bytes = files.removeValue(forKey: name) else { continue }
                guard bytes == Array(uploader.versions[0][uploader.chunks[chunk].range].prefix(length)) else {
                    throw Violation("\(name) is changed")
                }
            }
            let paths = (0...UInt64(plan.clients.count + 1)).map { plan.path(client, number: $0) }
            let found = paths.filter { files[$0].map { uploader.isFile($0, ledger.uploads[client]) } ?? false }
            // An upload whose record had expired may have begun again with a chunk that was still being sent.
            guard found.count <= 1 || ledger.uploads[client].isForgotten else {
                throw Violation("\(uploader.id.identifier) is there twice: \(found)")
            }
            if found.isEmpty && ledger.uploads[client].completed != nil && !ledger.isReplaced(client, plan) {
                throw Violation("\(plan.path(client)) was acknowledged as complete, and is not there")
            }
            for name in found { files[name] = nil }
        }
        if let file = files.first {
            throw Violation("\(file.key) is nobody's whole file: \(file.value.count) bytes")
        }
    }

    // MARK: Events

    /// Each finished file is owed an event or a recipient has received it; there is no other event.
    private func expectEvents(_ outbox: Outbox, _ disk: MemoryDisk, _ ledger: Ledger) throws {
        let events = try outbox.events().events
        guard !plan.settings.recipients.isEmpty else {
            guard events.isEmpty else { throw Violation("nobody is to be told, and there are events: \(events)") }
            return
        }
        let files = disk.inspect { $0.files }
        for client in plan.clients.indices {
            let upload = ledger.uploads[client]
            let owed = events.filter { $0.upload.id == plan.clients[client].id }
            for event in owed where plan.settings.onConflict != .replace {
                let bytes = event.upload.path.flatMap { files[$0] }
                guard bytes.map({ plan.clients[client].isFile($0, upload) }) == true else {
                    throw Violation("\(plan.clients[client].id.identifier) has an event and no whole file")
                }
            }
            guard upload.completed != nil, !upload.isForgotten, !ledger.isReplaced(client, plan) else { continue }
            let ids = upload.told.union(owed.map(\.id))
            guard ids.count == 1 else {
                throw Violation("\(plan.clients[client].id.identifier) is complete and has the events \(ids)")
            }
        }
    }

    // MARK: The end

    /// In the end only records of finished uploads are left, and they expire.
    private func expire(_ disk: MemoryDisk) throws {
        let store = try open(disk)
        disk.wait(seconds: 2 * 3600)
        try sweep(store)
        let names = disk.inspect { $0.stateNames.filter { $0 != Outbox.folder } }
        // An upload whose file was replaced, or whose record had expired, may have begun again with Flask's parts.
        let mayBeUnfinished = plan.clients.indices.contains { client in
            ledger.uploads[client].isRefused || ledger.uploads[client].isForgotten || ledger.isReplaced(client, plan)
        }
        guard mayBeUnfinished || names.allSatisfy({ $0.hasSuffix(UploadFiles.journalSuffix) }) else {
            throw Violation("left over: \(names)")
        }
        disk.wait(seconds: plan.settings.expire)
        let owed = try Set(Outbox(store).events().events.map(\.id))
        try sweep(store)
        guard try Set(Outbox(store).events().events.map(\.id)) == owed else {
            throw Violation("events have expired")
        }
        let rest = disk.inspect { $0.stateNames.filter { $0 != Outbox.folder } }
        guard rest.isEmpty else { throw Violation("left over when everything has expired: \(rest)") }
        // A second crash may undo a removal that could not be synced, also that of parts whose folder was not removed
        // yet.
        if ledger.syncFailed || crashes > 2 { return }
        for client in plan.clients.indices where ledger.uploads[client].completed != nil {
            let folder = plan.clients[client].id.identifier + "/"
            let isThere = disk.inspect { $0.files.keys.contains { $0.hasPrefix(folder) } }
            guard plan.settings.layout != .flat || !isThere else { throw Violation("\(folder) is left over") }
        }
    }

    private func sweep(_ store: LocalStore) throws {
        if let failure = store.sweep().failures.first { throw Violation("a sweep failed: \(failure)") }
    }
}
