import Glibc
import StoreTestSupport
import Testing
import UploadModel

@testable import UploadStore

// A small upload, repeated: each time another disk call fails, once. Whichever fails, the client gets an error that it
// may retry, no incomplete or wrong file gets the final name, and in the end the file is right.

@Suite struct FailureTests {
    /// How the client goes on after an error.
    enum Afterwards: CaseIterable {
        /// With the same process.
        case sameProcess
        /// With a new process.
        case newProcess
        /// With a new process after a reboot.
        case newBoot
    }

    private static let bytes = content(10)
    private static let wrong = content(10, seed: 2)

    /// The client's requests: out of order, a chunk with other bytes first, one sent twice, one over held ranges.
    private static func steps() -> [(chunk: Chunk, bytes: [UInt8])] {
        let forced = Chunk.all(of: 10, size: 4)
        let large = Chunk.all(of: 10, size: 8)
        return [
            (forced[1], bytes), (forced[0], wrong), (forced[0], bytes), (forced[1], bytes), (large[0], bytes),
            (forced[2], bytes), (forced[2], bytes),
        ]
    }

    private struct Run {
        let disk = MemoryDisk()
        let id: UploadID
        var store: LocalStore
        var boot: UInt64 = 1
        var completions = 0

        init() throws {
            id = try uploadID()
            store = try LocalStore(root: disk.root, boot: BootID(low: 1, high: 0)) { 1_700_000_000 }
        }

        mutating func goOn(_ afterwards: Afterwards) throws {
            if afterwards == .sameProcess { return }
            if afterwards == .newBoot { boot += 1 }
            store = try LocalStore(root: disk.root, boot: BootID(low: boot, high: 0)) { 1_700_000_000 }
        }

        mutating func send(_ chunk: Chunk, _ bytes: [UInt8]) throws {
            if case .completed = try store.send(chunk, of: bytes, as: id, piece: 3) { completions += 1 }
        }

        /// Sends all chunks. An error of a sync is reported to each opening of the file, so another sync may fail.
        mutating func sendUntilFinished(_ chunks: [Chunk], _ bytes: [UInt8]) throws {
            for _ in 0..<3 {
                do {
                    for chunk in chunks { try send(chunk, bytes) }
                    return
                } catch {
                    #expect(disk.failures.contains { $0.operation == "sync" })
                }
            }
            Issue.record("the file is never finished")
        }

        /// The name of the only data file.
        func dataName() throws -> String {
            let names = disk.inspect { state in state.nodes.values.flatMap(\.entries.keys) }
            return try #require(names.first { $0.hasSuffix(UploadFiles.dataSuffix) })
        }

        /// The files in the root: names and bytes.
        var files: [String: [UInt8]] {
            disk.inspect { state in
                (state.nodes[1]?.entries ?? [:]).filter { $0.key != ".resumabled" }
                    .mapValues { state.nodes[$0]?.bytes ?? [] }
            }
        }
    }

    @Test(
        "Whichever disk call fails once, the file is right in the end", arguments: [ENOSPC, EIO], Afterwards.allCases)
    func everyCall(code: Int32, afterwards: Afterwards) throws {
        var failed = 0
        for call in 0..<1000 {
            var run = try Run()
            run.disk.fail(after: call, code: code)
            for (chunk, bytes) in Self.steps() {
                try attempt("call \(call), chunk \(chunk.number)", &run, afterwards) { run in
                    try run.send(chunk, bytes)
                    #expect(try run.store.isHeld(chunk, of: run.id))
                }
            }
            // Chunks of an upload that was removed because it could not be trusted are sent again.
            for chunk in Chunk.all(of: 10, size: 4) {
                try attempt("call \(call), again", &run, afterwards) { run in try run.send(chunk, Self.bytes) }
            }
            try attempt("call \(call), at the end", &run, afterwards) { run in
                let status = try run.store.status(of: run.id)
                #expect(status?.complete == true, "call \(call)")
            }
            #expect(run.files == ["name.bin": Self.bytes], "call \(call): \(run.disk.failures)")
            #expect(run.completions <= 1)
            if run.disk.failures.isEmpty {
                // The upload needs fewer calls than that: each has failed once.
                #expect(run.completions == 1)
                #expect(failed == call && failed > 50)
                return
            }
            failed += 1
        }
        Issue.record("the upload never ends")
    }

    @Test(
        "Whichever disk call fails after a power cut, no wrong range is held and no other is lost",
        arguments: [ENOSPC, EIO], [Afterwards.sameProcess, .newProcess])
    func recovery(code: Int32, afterwards: Afterwards) throws {
        let chunks = Chunk.all(of: 10, size: 4)
        for call in 0..<1000 {
            var run = try Run()
            try run.send(chunks[0], Self.bytes)
            try run.send(chunks[1], Self.bytes)
            // The power cut spoils the first chunk.
            let data = try #require(run.disk.number(of: run.dataName()))
            run.disk.flip(byte: 2, of: data)
            try run.goOn(.newBoot)
            run.disk.fail(after: call, code: code)
            try lookTwice("call \(call)", &run, afterwards) { held, unread, disk in
                // If a sync fails, the whole upload is removed.
                let unsynced = disk.failures.contains { $0.operation == "sync" && $0.name.contains(".") }
                let expected: [ByteRange]? = unsynced ? nil : [try ByteRange(4..<8)]
                return held == expected || unread && held == []
            }
            if run.disk.failures.isEmpty {
                #expect(call > 10)
                return
            }
            try run.sendUntilFinished(chunks, Self.bytes)
            #expect(run.files == ["name.bin": Self.bytes], "call \(call): \(run.disk.failures)")
            #expect(run.completions <= 1)
        }
        Issue.record("recovery never ends")
    }

    @Test(
        "A finished file survives a power cut, a failed sync in the recovery and a second power cut", arguments: 1...40)
    func recoveryOfFinished(seed: UInt64) throws {
        let disk = MemoryDisk()
        let settings = StoreSettings(layout: .tree)
        func store(_ disk: MemoryDisk, boot: UInt64) throws -> LocalStore {
            try LocalStore(root: disk.root, boot: BootID(low: boot, high: 0), settings: settings) { 1_700_000_000 }
        }
        // The disk before the last record, which says that the file is published.
        let unrecorded = Collected<MemoryDisk.State>()
        disk.observe { moment in
            if moment.operation == "write" && moment.name.hasSuffix(".journal") { unrecorded.add(moment.state) }
        }
        let path = try RelativePath("a/b/name.bin", parameter: "path")
        var id = try uploadID()
        id.path = path
        for chunk in Chunk.all(of: 10, size: 4) {
            let layout = try chunk.layout(settled: true)
            let place = ChunkRequest.Place.sized(total: 10, chunkSize: 4, layout)
            let request = ChunkRequest(upload: id, number: UInt64(chunk.number), place: place, relativePath: path)
            let writer = try store(disk, boot: 1).receive(request)
            try Self.bytes[chunk.range].withUnsafeBytes { try writer.write($0) }
            _ = try writer.commit()
        }
        let cut = MemoryDisk(try #require(unrecorded.all.last).afterPowerCut(seed: seed))
        try #require(cut.inspect { $0.files } == ["a/b/name.bin": Self.bytes])
        let second = try store(cut, boot: 2)
        cut.failSync(after: 0)
        #expect(second.recover().count == 1)
        let end = MemoryDisk(cut.inspect { $0 }.afterPowerCut(seed: seed))
        #expect(end.inspect { $0.files } == ["a/b/name.bin": Self.bytes])
        #expect(try store(end, boot: 3).recover().isEmpty)
        #expect(end.inspect { $0.files } == ["a/b/name.bin": Self.bytes])
    }

    @Test(
        "Whichever disk call fails after a process died in a sync, nothing that was acknowledged is lost",
        arguments: [ENOSPC, EIO], [Afterwards.sameProcess, .newProcess])
    func salvage(code: Int32, afterwards: Afterwards) throws {
        let chunks = Chunk.all(of: 10, size: 4)
        for call in 0..<1000 {
            var run = try Run()
            for chunk in chunks[..<2] { try run.send(chunk, Self.bytes) }
            try run.store.dieInSync(of: run.id)
            try run.goOn(.newProcess)
            run.disk.fail(after: call, code: code)
            try lookTwice("call \(call)", &run, afterwards) { held, unread, _ in
                try held == [ByteRange(0..<8)] || unread
            }
            if run.disk.failures.isEmpty {
                #expect(call > 10)
                return
            }
            try run.sendUntilFinished(chunks, Self.bytes)
            #expect(run.files == ["name.bin": Self.bytes], "call \(call): \(run.disk.failures)")
        }
        Issue.record("the salvage never ends")
    }

    @Test("The copies of a salvage that is killed are removed by the next one")
    func killedSalvage() throws {
        for call in 0..<1000 {
            var run = try Run()
            for chunk in Chunk.all(of: 10, size: 4)[..<2] { try run.send(chunk, Self.bytes) }
            let before = try run.dataName()
            try run.store.dieInSync(of: run.id)
            try run.goOn(.newProcess)
            run.disk.die(after: call)
            _ = try? run.store.held(run.id)
            let wasKilled = run.disk.isDead
            let disk = MemoryDisk(run.disk.inspect { $0 }.killed())
            let next = try LocalStore(root: disk.root, boot: BootID(low: 1, high: 0)) { 1_700_000_000 }
            #expect(try next.held(run.id) == [try ByteRange(0..<8)], "call \(call)")
            let names = disk.inspect { $0.stateNames }
            #expect(!names.contains { $0.hasSuffix(".draft") }, "call \(call): \(names)")
            // The new files may have been in place already. Then a sweep removes the old data file.
            let data = names.filter { $0.hasSuffix(UploadFiles.dataSuffix) }
            #expect(data.filter { $0 != before }.count == 1, "call \(call): \(names)")
            if !wasKilled {
                #expect(call > 20)
                return
            }
        }
        Issue.record("the salvage never ends")
    }

    /// Asks twice which ranges are held, while a call may fail.
    ///
    /// - Parameter isRight: whether these ranges may be held; also gets whether a range could not be read, which then is
    ///   missing.
    private func lookTwice(
        _ what: String, _ run: inout Run, _ afterwards: Afterwards,
        _ isRight: (_ held: [ByteRange]?, _ unread: Bool, MemoryDisk) throws -> Bool
    ) throws {
        for attempt in 0..<2 {
            // If the store cannot be opened, the process that was there goes on.
            if attempt > 0 { try? run.goOn(afterwards) }
            do {
                let held = try run.store.held(run.id)
                let unread = run.disk.failures.contains { $0.operation == "read" && $0.name.hasSuffix(".data") }
                #expect(try isRight(held, unread, run.disk), "\(what): \(run.disk.failures)")
            } catch let error as StoreError {
                #expect(run.disk.failures.count == 1, "\(what): \(error)")
            }
        }
    }

    /// Does a step, and does it again if a call failed in it.
    private func attempt(
        _ what: String, _ run: inout Run, _ afterwards: Afterwards, _ step: (inout Run) throws -> Void
    ) throws {
        do {
            try step(&run)
        } catch let error as StoreError {
            let failure = try #require(run.disk.failures.last, "\(what): \(error)")
            let said = StoreCause(
                FileError(operation: failure.operation, name: failure.name, code: failure.code))
            if error == .untrusted(said) {
                // The kernel may have dropped pages that it could not write: nothing of the upload is held any more.
                #expect(failure.operation == "sync", "\(what)")
                #expect(try run.store.held(run.id) == nil, "\(what)")
            } else {
                #expect(!(failure.operation == "sync" && failure.name.contains(".")), "\(what)")
                #expect(error == (failure.code == ENOSPC ? .full(said) : .failed(said)), "\(what)")
            }
            try run.goOn(afterwards)
            try step(&run)
        }
        for (name, bytes) in run.files {
            #expect(name == "name.bin" && bytes == Self.bytes, "\(what): \(run.disk.failures)")
        }
    }
}
