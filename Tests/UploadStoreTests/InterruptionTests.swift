import Glibc
import StoreTestSupport
import Testing
import UploadModel

@testable import UploadStore

// Two processes and one upload, in every order that matters: at each disk call of the first, once, the second does all
// of its work. A process that meets a lock gets an error, as after a long wait, and tries again at the end.

@Suite struct InterruptionTests {
    private static let chunks = Chunk.all(of: 30, size: 10)
    /// Equal in the first half of a chunk, so that a comparison succeeds for a while.
    private static let one = content(30)
    private static let other = Array(one[..<5]) + content(25, seed: 2)
    private static let third = content(30, seed: 3)

    private struct Pair {
        let disk = MemoryDisk()
        let id: UploadID
        let first: LocalStore
        let second: LocalStore

        init(held: [(chunk: Int, bytes: [UInt8])]) throws {
            id = try uploadID()
            first = try Pair.store(disk)
            second = try Pair.store(disk)
            for (chunk, bytes) in held { try first.send(chunks[chunk], of: bytes, as: id) }
            // Both have the upload open.
            _ = try second.status(of: id)
        }

        static func store(_ disk: MemoryDisk) throws -> LocalStore {
            try LocalStore(root: disk.root, boot: BootID(low: 1, high: 0)) { 1_700_000_000 }
        }

        var files: [String: [UInt8]] {
            disk.inspect { state in
                (state.nodes[1]?.entries ?? [:]).filter { $0.key != ".resumabled" }
                    .mapValues { state.nodes[$0]?.bytes ?? [] }
            }
        }
    }

    /// Runs `work` of the first process once for each of its disk calls, with `guest` before that call.
    private func everywhere(
        held: [(chunk: Int, bytes: [UInt8])],
        _ work: (Pair) throws -> Void, interruptedBy guest: @escaping @Sendable (LocalStore, UploadID) throws -> Void,
        then check: (Pair, _ call: Int) throws -> Void
    ) throws {
        for call in 0..<1000 {
            let pair = try Pair(held: held)
            let errors = Collected<any Error>()
            let (second, id) = (pair.second, pair.id)
            pair.disk.interrupt(after: call) {
                do { try guest(second, id) } catch { errors.add(error) }
            }
            do { try work(pair) } catch { errors.add(error) }
            if pair.disk.cancelInterruption() {
                // The work has fewer calls than that: each was interrupted once.
                #expect(call > 5 && errors.all.isEmpty)
                return
            }
            // At most one of them may fail, since the other had the lock. No other error may occur.
            #expect(errors.all.count <= 1 && errors.all.allSatisfy(Self.isSentAway), "call \(call): \(errors.all)")
            try check(pair, call)
        }
        Issue.record("the work never ends")
    }

    private static func isSentAway(_ error: any Error) -> Bool {
        switch error as? StoreError {
        case .busy: true
        case .failed(let cause): cause.isDeadlock
        default: false
        }
    }

    @Test("If two processes receive the last chunk, the file is finished once")
    func lastChunk() throws {
        let completions = Collected<Int>()
        var before = 0
        try everywhere(held: [(0, Self.one), (1, Self.one)]) { pair in
            if case .completed = try pair.first.send(Self.chunks[2], of: Self.one, as: pair.id) { completions.add(1) }
        } interruptedBy: { second, id in
            if case .completed = try second.send(Self.chunks[2], of: Self.one, as: id) { completions.add(1) }
        } then: { pair, call in
            for store in [pair.first, pair.second] {
                if case .completed = try store.send(Self.chunks[2], of: Self.one, as: pair.id) { completions.add(1) }
            }
            #expect(pair.files == ["name.bin": Self.one], "call \(call)")
            #expect(completions.all.count <= before + 1, "call \(call)")
            before = completions.all.count
        }
        #expect(before > 20)
    }

    @Test("Different bytes for one range never mix", arguments: [nil, one, other, third])
    func differentBytes(before: [UInt8]?) throws {
        try everywhere(held: before.map { [(0, $0)] } ?? [(1, Self.one)]) { pair in
            try pair.first.send(Self.chunks[0], of: Self.one, as: pair.id)
        } interruptedBy: { second, id in
            try second.send(Self.chunks[0], of: Self.third, as: id)
        } then: { pair, call in
            try expectWhole([Self.one, Self.third], pair, "call \(call)")
        }
    }

    @Test("A chunk that breaks off leaves no bytes in another client's chunk", arguments: [nil, one, other, third])
    func cutShort(before: [UInt8]?) throws {
        try everywhere(held: before.map { [(0, $0)] } ?? [(1, Self.one)]) { pair in
            let layout = try Self.chunks[0].layout()
            let writer = try pair.first.receive(upload: pair.id, size: 30, layout: layout)
            try writer.write(Self.third[0..<7], piece: 2)
        } interruptedBy: { second, id in
            try second.send(Self.chunks[0], of: Self.other, as: id)
        } then: { pair, call in
            try expectWhole([Self.other] + (before.map { [$0] } ?? []), pair, "call \(call)")
        }
    }

    /// The held bytes of the first chunk are one of `contents`; so is the file after the rest was sent.
    private func expectWhole(_ contents: [[UInt8]], _ pair: Pair, _ what: Comment) throws {
        if try !pair.second.isHeld(Self.chunks[0], of: pair.id) {
            try pair.second.send(Self.chunks[0], of: contents[0], as: pair.id)
        }
        try pair.first.send(Self.chunks[1], of: Self.one, as: pair.id)
        try pair.second.send(Self.chunks[2], of: Self.one, as: pair.id)
        let allowed = contents.map { ["name.bin": Array($0[..<10]) + Self.one[10...]] }
        #expect(allowed.contains(pair.files), what)
    }
}
