import Glibc
import Linux
import StoreTestSupport
import TestSupport
import UploadModel

@testable import UploadStore

// One run of a plan, from the first chunk to the last, with a snapshot of the disk at every call.

/// The disk before a call, and the responses until then.
struct Picture {
    var operation: String
    var state: MemoryDisk.State
    var ledger: Ledger
}

struct Workload {
    static let start: UInt64 = 1_700_000_000

    let plan: CrashPlan
    let seed: UInt64
    /// The number of the call that fails.
    private let failing: Int?
    /// True if the process whose call fails dies in it, while the other one lives on.
    private let kills: Bool
    /// The name of this run.
    var name: String { "\(seed).\(failing ?? 0)\(kills ? "k" : "")" }

    init(seed: UInt64, failing: Int? = nil, kills: Bool = false) {
        self.kills = kills
        plan = CrashPlan(seed: seed)
        self.seed = seed
        self.failing = failing
    }

    /// Runs it.
    ///
    /// - Parameter isTold: true to print each call.
    /// - Returns: the disk before each call that could make a difference: between two calls that only read, neither the
    ///   disk nor the ledger changes, so a crash before the second is the same as one before the first. If a call
    ///   fails, only the calls after it. And the numbers of the calls that sync.
    func run(isTold: Bool = false) throws -> (pictures: [Picture], syncs: [Int]) {
        let disk = try MemoryDisk(plan, time: Workload.start)
        let diary = Diary(Ledger(plan))
        let pictures = Collected<Picture>()
        let syncs = Collected<Int>()
        let last = Diary.Marks()
        let setUp = disk.inspect { $0.calls }
        disk.observe { [failing] moment in
            let ledger = diary.now
            if isTold { print(moment.state.calls, moment.operation, moment.name) }
            if moment.operation == "sync" { syncs.add(moment.state.calls) }
            guard moment.state.calls >= failing ?? 0, last.differ(moment.state.changes, ledger.changes) else { return }
            pictures.add(Picture(operation: "\(moment.operation) \(moment.name)", state: moment.state, ledger: ledger))
        }
        if let failing { disk.fail(after: failing - 1 - setUp, code: EIO, kills: kills) }
        var day = Day(Clients(plan: plan, disk: disk, diary: diary, generator: SplitMix64(seed: seed)))
        try day.run()
        pictures.add(Picture(operation: "the end", state: disk.inspect { $0 }, ledger: diary.now))
        return (pictures.all, syncs.all)
    }
}

extension Diary {
    /// The last snapshot.
    final class Marks: Sendable {
        private let marks = Lock<(disk: Int, ledger: Int)>((-1, -1))

        func differ(_ disk: Int, _ ledger: Int) -> Bool {
            marks.withLock { marks in
                defer { marks = (disk, ledger) }
                return marks != (disk, ledger)
            }
        }
    }
}

/// A run, whose order follows from the seed.
private struct Day {
    private var clients: Clients
    private var stores: [LocalStore] = []
    /// The processes of the stores.
    private var processes: [Int] = []
    private var lastProcess = 0
    private var open: [Clients.Sending] = []
    /// The chunks that each client still has to send, in order.
    private var waiting: [[Int]]
    private var rivals: [[(chunk: Int, version: Int)]]
    private var jumpAt: Int?
    private static let maximumSteps = 5000

    init(_ clients: Clients) {
        self.clients = clients
        waiting = clients.plan.clients.map { client in
            // Flask's parts are not sent again.
            let order = client.order.filter { !client.hasPart($0) }
            return client.isAbandoned ? Array(order.dropLast(2)) : order
        }
        rivals = clients.plan.clients.map(\.rivals)
        if clients.plan.expires { jumpAt = Int.random(in: 10..<60, using: &self.clients.generator) }
    }

    private var plan: CrashPlan { clients.plan }
    private var ledger: Ledger { clients.diary.now }

    private mutating func pick<Element>(_ elements: [Element]) -> Element? {
        elements.randomElement(using: &clients.generator)
    }

    private mutating func newStore() throws -> LocalStore {
        let disk = clients.disk
        lastProcess += 1
        return try LocalStore(root: disk.root(of: lastProcess), boot: BootID(low: 1, high: 0), settings: plan.settings)
        { disk.time }
    }

    mutating func run() throws {
        while stores.count < 2 {
            do {
                stores.append(try newStore())
                processes.append(lastProcess)
            } catch {
                if clients.disk.failures.isEmpty { throw error }
            }
        }
        for step in 0..<Day.maximumSteps {
            if step == jumpAt { try jump() }
            try work()
            replaceDead()
            if isOver { return try expectAllComplete() }
        }
        throw Violation("the clients never come to an end")
    }

    private var isOver: Bool {
        open.isEmpty && waiting.allSatisfy(\.isEmpty) && rivals.allSatisfy(\.isEmpty)
    }

    private mutating func work() throws {
        guard let store = pick(stores) else { return }
        switch Int.random(in: 0..<100, using: &clients.generator) {
        case 0..<35:
            if open.count < 4 { try send(to: store) }
        case 35..<85:
            if !open.isEmpty { try advance(Int.random(in: open.indices, using: &clients.generator)) }
        case 85..<88:
            if !open.isEmpty { drop(Int.random(in: open.indices, using: &clients.generator)) }
        case 88..<94: try ask(store)
        case 94..<97: try again(store)
        case 97..<98:
            _ = store.sweep()
            try clients.deliver(from: store)
        default:
            // The old process goes on with the requests that it has begun.
            if let store = try? newStore() {
                _ = store.recover()
                stores[1] = stores[0]
                stores[0] = store
                processes = [lastProcess, processes[0]]
            }
        }
    }

    /// After the death of a process the other one takes all requests. Unfinished uploads may be gone.
    private mutating func replaceDead() {
        let dead = clients.disk.inspect { $0.deadProcesses }
        guard let living = processes.firstIndex(where: { !dead.contains($0) }), !dead.isDisjoint(with: processes) else {
            return
        }
        stores = [stores[living], stores[living]]
        processes = [processes[living], processes[living]]
        clients.diary.write { [plan] ledger in
            ledger.syncFailed = true
            for client in plan.clients.indices where ledger.uploads[client].completed == nil { ledger.giveUp(client) }
        }
        for client in plan.clients.indices where !plan.clients[client].isAbandoned { sendAgain(client) }
    }

    /// The file is completed by its own client: its rivals end before the last chunk is sent.
    private func isReady(_ client: Int) -> Bool {
        guard waiting[client].count == 1 else { return !waiting[client].isEmpty }
        return rivals[client].isEmpty && !open.contains { $0.client == client && $0.version > 0 }
    }

    private mutating func send(to store: LocalStore) throws {
        let ready = plan.clients.indices.filter { isReady($0) || !rivals[$0].isEmpty }
        guard let client = pick(ready) else { return }
        if !rivals[client].isEmpty, !isReady(client) || clients.chance(30) {
            // A rival must not replace chunks any more once only the last is missing.
            let rival = rivals[client].removeFirst()
            guard waiting[client].count > 1 || plan.clients[client].isAbandoned else { return }
            if let sending = try clients.begin(client, rival.chunk, version: rival.version, to: store) {
                open.append(sending)
            }
        } else if isReady(client) {
            let chunk = waiting[client].removeFirst()
            if let sending = try clients.begin(client, chunk, version: 0, to: store) {
                open.append(sending)
            } else {
                postpone(client, chunk)
            }
        }
        forgetRefused()
    }

    private mutating func postpone(_ client: Int, _ chunk: Int) {
        if !waiting[client].contains(chunk) { waiting[client].append(chunk) }
        forgetRefused()
    }

    private mutating func forgetRefused() {
        for client in waiting.indices where ledger.uploads[client].isRefused {
            waiting[client] = []
            rivals[client] = []
        }
    }

    private mutating func advance(_ index: Int) throws {
        let before = ledger
        let progress = try clients.advance(&open[index], to: stores[0])
        guard progress != .goesOn else { return }
        let sending = open.remove(at: index)
        if progress == .failed && sending.version == 0 { postpone(sending.client, sending.chunk) }
        if ledger.syncFailed && before.changes != ledger.changes { sendAgain(sending.client) }
        comeBack(sending.client)
    }

    private mutating func drop(_ index: Int) {
        let sending = open.remove(at: index)
        clients.drop(sending)
        if sending.version == 0 { postpone(sending.client, sending.chunk) }
        comeBack(sending.client)
    }

    /// Chunks that a rival may have replaced after they were acknowledged are sent again before the last chunk.
    private mutating func comeBack(_ client: Int) {
        let upload = ledger.uploads[client]
        guard upload.completed == nil, !upload.isRefused, !plan.clients[client].isAbandoned else { return }
        for (index, chunk) in upload.chunks.enumerated()
        where chunk.sending.isEmpty && !chunk.inDoubt.isEmpty && !waiting[client].contains(index) {
            waiting[client].insert(index, at: 0)
        }
    }

    /// After a failed disk call, all chunks that are not promised any more are sent again.
    private mutating func sendAgain(_ client: Int) {
        let upload = ledger.uploads[client]
        guard upload.completed == nil, !upload.isRefused else { return }
        for (index, chunk) in upload.chunks.enumerated()
        where chunk.acknowledged == nil && chunk.sending.isEmpty && !waiting[client].contains(index) {
            waiting[client].append(index)
        }
    }

    private mutating func ask(_ store: LocalStore) throws {
        let known = plan.clients.indices.filter { !ledger.uploads[$0].isForgotten }
        guard let client = pick(known), let chunk = pick(Array(plan.clients[client].chunks.indices)) else { return }
        let promised = ledger.uploads[client].chunks[chunk].isPromised
        guard let answer = try clients.test(client, chunk, store) else { return }
        // A test is only answered with a file that is still there.
        if ledger.isReplaced(client, plan) { return }
        if promised && !answer.isHeld && ledger.uploads[client].chunks[chunk].isPromised {
            throw Violation("chunk \(chunk) of client \(client) is lost without any crash")
        }
    }

    /// An acknowledged chunk is sent again.
    private mutating func again(_ store: LocalStore) throws {
        let known = plan.clients.indices.filter { !ledger.uploads[$0].isForgotten && !ledger.uploads[$0].isRefused }
        guard let client = pick(known) else { return }
        let held = ledger.uploads[client].chunks.indices.filter {
            ledger.uploads[client].chunks[$0].acknowledged == 0
        }
        guard let chunk = pick(held), let sending = try clients.begin(client, chunk, version: 0, to: store) else {
            return
        }
        open.append(sending)
    }

    /// A week goes by. Active clients send a test; the other uploads expire.
    private mutating func jump() throws {
        jumpAt = nil
        clients.disk.wait(seconds: plan.settings.expire + 24 * 3600)
        clients.diary.write { [plan] ledger in
            for client in plan.clients.indices {
                ledger.uploads[client].isForgotten = ledger.uploads[client].completed != nil
                let chunks = zip(plan.clients[client].chunks, ledger.uploads[client].chunks)
                let held = chunks.reduce(0) { $0 + ($1.1.acknowledged == nil ? 0 : $1.0.range.count) }
                // Tests do not keep an upload that holds nearly nothing.
                let isNearlyEmpty = held < plan.clients[client].versions[0].count / 16
                if plan.clients[client].isAbandoned || ledger.uploads[client].isRefused || isNearlyEmpty {
                    ledger.giveUp(client)
                }
            }
        }
        guard let store = pick(stores) else { return }
        for client in plan.clients.indices
        where !ledger.uploads[client].isForgotten && !plan.clients[client].isAbandoned {
            _ = try clients.test(client, 0, store)
        }
        _ = store.sweep()
    }

    private mutating func expectAllComplete() throws {
        for client in plan.clients.indices {
            let upload = ledger.uploads[client]
            guard !upload.isRefused, !plan.clients[client].isAbandoned, upload.completed == nil,
                upload.chunks.allSatisfy({ $0.acknowledged != nil && $0.inDoubt.isEmpty })
            else { continue }
            guard try clients.test(client, 0, stores[0])?.isComplete == true || ledger.uploads[client].isRefused else {
                throw Violation("all chunks of client \(client) were acknowledged, and the file is not complete")
            }
        }
    }
}
