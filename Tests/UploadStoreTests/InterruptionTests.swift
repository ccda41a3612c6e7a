import Glibc
import Testing
import UploadModel

@testable import UploadStore

// Two processes at one upload, in every order that matters: at each disk call of the first, once, the second does all
// of its work. Who comes upon a lock is sent away with an error, as after a long wait, and comes again at the end.

@Suite struct InterruptionTests {
    private static let chunks = Chunk.all(of: 30, size: 10)
    /// Alike in the first half of a chunk, so that comparing goes well for a while.
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
            // Both know the upload already, as processes at work do.
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

    /// Runs `work` of the first process once for each of its disk calls, interrupted there by `guest`.
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
                // The work has fewer calls than that: it was interrupted at each.
                #expect(call > 5 && errors.all.isEmpty)
                return
            }
            // Both at once can't be sent away: somebody had the lock. Nothing else may go wrong.
            #expect(errors.all.count <= 1 && errors.all.allSatisfy(Self.isSentAway), "call \(call): \(errors.all)")
            try check(pair, call)
        }
        Issue.record("the work never ends")
    }

    private static func isSentAway(_ error: any Error) -> Bool {
        switch error as? StoreError {
        case .busy: true
        case .failed(let error): error.operation == "lock" && error.code == EDEADLK
        default: false
        }
    }

    @Test("Two processes that send the last chunk complete the file once")
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

    @Test("A chunk that is cut short leaves nothing in what another sends", arguments: [nil, one, other, third])
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

    /// What is held of the first chunk is one of `contents`; so is what the file gets once the rest was sent.
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
