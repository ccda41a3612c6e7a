import Glibc
import StoreTestSupport
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// Many clients at once. Each test runs a number of rounds, which STORE_ROUNDS changes.

@Suite(.serialized) struct ConcurrencyTests {
    static let asked = getenv("STORE_ROUNDS").flatMap { Int(String(cString: $0)) }
    static let rounds = asked ?? 50

    @Test("The last chunk, sent by 64 threads at once, completes the file exactly once")
    func lastChunk() throws {
        let bytes = content(3000)
        let chunks = Chunk.all(of: 3000, size: 1000)
        let id = try uploadID()
        for round in 0..<(Self.asked ?? 1000) {
            let site = try Site()
            // Half of the threads use another store: for file locks that is another process.
            let stores = [try site.store(), try site.store()]
            for chunk in chunks[..<2] { try stores[0].send(chunk, of: bytes, as: id) }
            let effects = Collected<Receipt.Effect>()
            let errors = Collected<any Error>()
            try onThreads(64) { index in
                do {
                    let effect = try untilNotBusy {
                        try stores[index % 2].send(chunks[2], of: bytes, as: id, piece: 100 + index)
                    }
                    effects.add(effect)
                } catch {
                    errors.add(error)
                }
            }
            #expect(errors.all.isEmpty, "round \(round)")
            #expect(effects.all.count == 64)
            #expect(effects.all.filter { $0 == .completed(path: "name.bin") }.count == 1, "round \(round)")
            #expect(site.files == ["name.bin"])
            #expect(try site.folder.read("name.bin") == bytes)
            #expect(site.state == [UploadKey(id).journal])
        }
    }

    @Test(
        "Chunks of several uploads from many threads and two processes all become the right files",
        arguments: Cut.allCases)
    func manyUploads(cut: Cut) throws {
        struct Job {
            var file: Int
            var chunk: Chunk
        }
        let ids = try (0..<5).map { try uploadID("id \($0)", "file \($0)") }
        let contents = [0, 1, 999, 20_000, 12_345].enumerated().map { content($1, seed: UInt64($0)) }
        for round in 0..<max(1, Self.rounds / 10) {
            let site = try Site()
            let stores = [try site.store(), try site.store()]
            var generator = SplitMix64(seed: UInt64(round))
            let once = contents.enumerated().flatMap { file, bytes in
                Chunk.all(of: bytes.count, size: 500, cut).map { Job(file: file, chunk: $0) }
            }
            let jobs = (once + once).shuffled(using: &generator)
            let completed = Collected<Int>()
            let errors = Collected<any Error>()
            try onThreads(8) { thread in
                for index in stride(from: thread, to: jobs.count, by: 8) {
                    let job = jobs[index]
                    do {
                        let effect = try untilNotBusy {
                            try stores[(index / 8) % 2].send(
                                job.chunk, of: contents[job.file], as: ids[job.file], settled: index % 3 == 0, piece: 77
                            )
                        }
                        if case .completed = effect { completed.add(job.file) }
                    } catch {
                        errors.add(error)
                    }
                }
            }
            #expect(errors.all.isEmpty, "round \(round)")
            #expect(completed.all.sorted() == [0, 1, 2, 3, 4], "each once, in round \(round)")
            #expect(site.files == (0..<5).map { "file \($0)" })
            for file in 0..<5 { #expect(try site.folder.read("file \(file)") == contents[file]) }
            #expect(site.state == ids.map { UploadKey($0).journal }.sorted())
        }
    }

    @Test(
        "If two clients send different bytes for one range, the bytes of one of them are kept whole",
        arguments: [true, false])
    func differentBytes(heldBefore: Bool) throws {
        let chunks = Chunk.all(of: 2000, size: 1000)
        let contents = [content(2000, seed: 1), content(2000, seed: 2)]
        // Equal up to the middle, so that a comparison succeeds for a while.
        let common = Array(contents[0][..<500])
        let bytes = contents.map { common + $0[500...] }
        let id = try uploadID()
        for round in 0..<Self.rounds {
            let site = try Site()
            let stores = [try site.store(), try site.store()]
            if heldBefore { try stores[0].send(chunks[0], of: common + content(1500, seed: 3), as: id) }
            let effects = Collected<Receipt.Effect>()
            let errors = Collected<StoreError?>()
            try onThreads(2) { index in
                do {
                    let store = stores[round % 2 == 0 ? 0 : index]
                    effects.add(try store.send(chunks[0], of: bytes[index], as: id, piece: 10))
                } catch {
                    errors.add(error as? StoreError)
                }
            }
            #expect(errors.all.allSatisfy { $0 == .busy }, "round \(round): \(errors.all)")
            #expect(effects.all.count >= 1 && effects.all.count + errors.all.count == 2)
            #expect(try stores[0].held(id) == [ByteRange(0..<1000)])
            #expect(try stores[1].send(chunks[1], of: bytes[0], as: id) == .completed(path: "name.bin"))
            let file = try site.folder.read("name.bin")
            #expect(bytes.contains { Array($0[..<1000]) == Array(file[..<1000]) }, "a mix, in round \(round)")
            #expect(Array(file[1000...]) == Array(bytes[0][1000...]))
        }
    }

    @Test("A chunk waits for another one that is writing to its range", arguments: [true, false])
    func waiting(firstCommits: Bool) throws {
        let site = try Site()
        let stores = [try site.store(), try site.store()]
        let chunks = Chunk.all(of: 20, size: 10)
        let (one, other) = (content(20), content(20, seed: 2))
        let id = try uploadID()
        let second = Collected<Receipt.Effect>()
        let early = Collected<Int>()
        let first = Collected<Receipt.Effect>()
        let claimed = Collected<Bool>()
        try onThreads(2) { thread in
            do {
                if thread == 1 {
                    for _ in 0..<10_000 where claimed.all.isEmpty { usleep(1000) }
                    second.add(try stores[1].send(chunks[0], of: other, as: id))
                    return
                }
                let writer = try stores[0].receive(upload: id, size: 20, layout: chunks[0].layout())
                try writer.write(one[0..<5])
                claimed.add(true)
                // Gives the other writer time to do what it must not.
                usleep(100_000)
                early.add(second.all.count)
                if firstCommits {
                    try writer.write(one[5..<10])
                    first.add(try writer.commit().effect)
                }
            } catch {
                claimed.add(false)
                Issue.record(error)
            }
        }
        #expect(early.all == [0])
        #expect(first.all == (firstCommits ? [.stored] : []))
        #expect(second.all == [.stored])
        #expect(try stores[0].send(chunks[1], of: other, as: id) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == other)
    }

    @Test("Several uploads with the same name, finished at once, get different names")
    func oneName() throws {
        for _ in 0..<max(1, Self.rounds / 10) {
            let site = try Site()
            let stores = [try site.store(), try site.store()]
            let names = Collected<String>()
            try onThreads(8) { index in
                guard let id = try? uploadID("id \(index)", "name.ext") else { return }
                let bytes = content(100 + index, seed: UInt64(index))
                let effect = try? untilNotBusy { try stores[index % 2].sendAll(bytes, as: id) }
                if case .completed(let path)? = effect {
                    names.add(path)
                    #expect((try? site.folder.read(path)) == bytes)
                }
            }
            let expected = (["name.ext"] + (1...7).map { "name (\($0)).ext" }).sorted()
            #expect(names.all.sorted() == expected)
            #expect(site.files == expected)
        }
    }
}
