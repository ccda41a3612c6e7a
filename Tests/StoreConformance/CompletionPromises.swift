import StoreTestSupport
import TestSupport
import Testing
import UploadModel
import UploadStore

extension Promise {
    /// How the last chunk makes the file, once.
    static let completion = [
        Promise("Chunks in any order, each sent twice, make the file, and one of them completes it") { site in
            for size in [0, 1, 9, 10, 11, 19, 20, 101] {
                for (number, cut) in Cut.allCases.enumerated() {
                    for statesLength in [true, false] {
                        let name = "\(size) \(number) \(statesLength)"
                        var client = try Client(name, name, of: content(size, seed: UInt64(size)))
                        client.cut = cut
                        client.statesLength = statesLength
                        try expectFile(site, client)
                    }
                }
            }
        },
        Promise("The last chunk, sent by many threads of two processes at once, completes the file once") { site in
            for round in 0..<site.repetitions {
                let stores = [try site.open(), try site.open()]
                let client = try Client("id \(round)", "\(round)", of: content(3000))
                for number in 1..<client.numbers.upperBound { try client.send(number, to: stores[0]) }
                let (effects, errors) = (Collected<Receipt.Effect>(), Collected<any Error>())
                try onThreads(16) { index in
                    do {
                        let store = stores[index % 2]
                        let effect = try untilNotBusy {
                            try client.send(client.numbers.upperBound, to: store, piece: 1 + index)
                        }
                        effects.add(effect)
                    } catch {
                        errors.add(error)
                    }
                }
                #expect(errors.all.isEmpty, "round \(round): \(errors.all)")
                #expect(effects.all.filter { $0 == .completed(path: "\(round)") }.count == 1, "round \(round)")
                #expect(try site.bytes(of: "\(round)") == client.content)
            }
            #expect(try site.files().count == site.repetitions)
        },
        Promise("Chunks of several uploads, sent by many threads of two processes, each make their file once") { site in
            let stores = [try site.open(), try site.open()]
            let clients = try (0..<5).map { number in
                var client = try Client("id \(number)", "\(number)", of: content(1000 + number, seed: UInt64(number)))
                client.cut = number % 2 == 0 ? .forced : .lastTakesRemainder
                return client
            }
            var generator = SplitMix64(seed: 1)
            let once = clients.indices.flatMap { file in clients[file].numbers.map { (file: file, number: $0) } }
            let jobs = (once + once).shuffled(using: &generator)
            let (completed, errors) = (Collected<Int>(), Collected<any Error>())
            try onThreads(8) { thread in
                for index in stride(from: thread, to: jobs.count, by: 8) {
                    let job = jobs[index]
                    do {
                        let effect = try untilNotBusy {
                            try clients[job.file].send(job.number, to: stores[index / 8 % 2])
                        }
                        if case .completed = effect { completed.add(job.file) }
                    } catch {
                        errors.add(error)
                    }
                }
            }
            #expect(errors.all.isEmpty, "\(errors.all)")
            #expect(completed.all.sorted() == Array(clients.indices))
            for (number, client) in clients.enumerated() {
                #expect(try site.bytes(of: "\(number)") == client.content)
            }
        },
        Promise("Of two senders of different bytes for one range, the bytes of one stand whole") { site in
            for round in 0..<site.repetitions {
                let stores = [try site.open(), try site.open()]
                // The same up to the middle of the chunk, so that both compare for a while.
                let common = content(500)
                let contents = [1, 2].map { common + content(1500, seed: $0) }
                var client = try Client("id \(round)", "\(round)", of: contents[0])
                client.chunkSize = 1000
                let sender = client
                if round % 2 == 0 { try client.with(common + content(1500, seed: 3)).send(1, to: stores[0]) }
                let (effects, errors) = (Collected<Receipt.Effect>(), Collected<StoreError?>())
                try onThreads(2) { index in
                    do {
                        let store = stores[round % 4 < 2 ? 0 : index]
                        effects.add(try sender.with(contents[index]).send(1, to: store, piece: 10))
                    } catch {
                        errors.add(error as? StoreError)
                    }
                }
                #expect(errors.all.allSatisfy { $0 == .busy }, "round \(round): \(errors.all)")
                #expect(!effects.all.isEmpty)
                #expect(try client.held(in: stores[0]) == [[0, 1000]])
                #expect(try client.send(2, to: stores[1]) == .completed(path: "\(round)"))
                let file = try #require(try site.bytes(of: "\(round)"))
                #expect(contents.contains { $0[..<1000] == file[..<1000] }, "a mix, in round \(round)")
            }
        },
        Promise("After the file is complete, its chunks are duplicates, whichever process takes them") { site in
            let (store, other) = (try site.open(), try site.open())
            let client = try Client(of: content(30))
            try client.sendAll(to: store)
            for store in [store, other, try site.open()] {
                for number in client.numbers {
                    #expect(try client.send(number, to: store) == .duplicate)
                    #expect(try client.isHeld(number, in: store))
                }
                #expect(try client.status(in: store)?.complete == true)
            }
            #expect(try site.files() == ["name.bin"])
            #expect(try site.bytes(of: "name.bin") == client.content)
        },
        Promise("Another file under the identity of a finished one becomes a file of its own") { site in
            for (round, differing) in [[1], [2], [3], [1, 3], [1, 2, 3]].enumerated() {
                let (store, other) = (try site.open(), try site.open())
                let client = try Client("\(round)", "\(round)", of: content(30))
                try client.sendAll(to: store)
                var bytes = client.content
                for number in differing { bytes.replaceSubrange(client.range(number), with: content(10, seed: 9)) }
                let second = client.with(bytes)
                // Which process takes a chunk decides nothing.
                for number in second.numbers { try second.send(number, to: number % 2 == 0 ? other : store) }
                #expect(try site.bytes(of: "\(round)") == client.content, "\(differing)")
                #expect(try site.bytes(of: "\(round) (1)") == second.content, "\(differing)")
            }
        },
        Promise("Duplicates behind the first difference count once only they are missing, and after a minute") { site in
            let store = try site.open()
            let client = try Client(of: content(30))
            try client.sendAll(to: store)
            let second = client.with(content(10, seed: 9) + client.content[10...])
            for number in [3, 2] { #expect(try second.send(number, to: store) == .duplicate) }
            #expect(try second.send(1, to: store) == .stored)
            #expect(try second.held(in: store) == [[0, 10]])
            store.finishWaiting()
            #expect(try site.files() == ["name.bin"])
            site.wait(seconds: 120)
            store.finishWaiting()
            #expect(try site.bytes(of: "name (1).bin") == second.content)
            #expect(try site.bytes(of: "name.bin") == client.content)
        },
        Promise("A chunk takes the place of a duplicate that came before the first difference") { site in
            let store = try site.open()
            let client = try Client(of: content(30))
            try client.sendAll(to: store)
            #expect(try client.send(3, to: store) == .duplicate)
            let second = client.with(content(30, seed: 9))
            for number in [1, 3] { #expect(try second.send(number, to: store) == .stored) }
            site.wait(seconds: 120)
            store.finishWaiting()
            #expect(try second.held(in: store) == [[0, 10], [20, 30]])
            #expect(try second.send(2, to: store) == .completed(path: "name (1).bin"))
            #expect(try site.bytes(of: "name (1).bin") == second.content)
        },
        Promise("Other bytes that are being received when the file becomes complete are not lost") { site in
            let store = try site.open()
            let client = try Client(of: content(30))
            let second = client.with(client.content[0..<5] + [UInt8](repeating: 0, count: 25))
            for number in 1...2 { try client.send(number, to: store) }
            let writer = try store.receive(client.request(1))
            try writer.write(second.content[0..<5])
            #expect(try client.send(3, to: store) == .completed(path: "name.bin"))
            do {
                try writer.write(second.content[5..<10])
                _ = try writer.commit()
            } catch StoreError.busy {
                // The client sends the chunk again.
                try second.send(1, to: store)
            }
            for number in 2...3 { try second.send(number, to: store) }
            #expect(try site.bytes(of: "name.bin") == client.content)
            #expect(try site.bytes(of: "name (1).bin") == second.content)
        },
        Promise("A finished upload answers tests as long as the client can be assumed to have the same file") { site in
            let store = try site.open()
            var client = try Client(of: content(30))
            try client.sendAll(to: store)
            func isComplete(_ lastModified: UInt64?) throws -> Bool {
                client.lastModified = lastModified
                return try client.status(in: store)?.complete == true
            }
            #expect(try isComplete(nil) && isComplete(1) && !isComplete(2))
            site.wait(seconds: 15 * 60)
            #expect(try !isComplete(nil) && isComplete(1) && !isComplete(2))
            client.chunkSize = 100
            #expect(try !isComplete(nil), "a file of one chunk is sent instead of asked for")
        },
        Promise("An existing file keeps its name: the next one gets a number, or is refused, or replaces it") { site in
            let contents = (0..<4).map { content(20, seed: UInt64($0)) }
            let clients = try contents.enumerated().map { try Client("id \($0)", "name.ext", of: $1) }
            #expect(try clients[0].sendAll(to: site.open()) == .completed(path: "name.ext"))
            #expect(try clients[1].sendAll(to: site.open()) == .completed(path: "name (1).ext"))
            #expect(throws: StoreError.nameTaken) {
                try clients[2].sendAll(to: site.open(StoreSettings(onConflict: .refuse)))
            }
            #expect(try site.bytes(of: "name.ext") == contents[0])
            let replacing = try site.open(StoreSettings(onConflict: .replace))
            #expect(try clients[3].sendAll(to: replacing) == .completed(path: "name.ext"))
            #expect(try site.files() == ["name (1).ext", "name.ext"])
            #expect(try site.bytes(of: "name.ext") == contents[3])
            #expect(try site.bytes(of: "name (1).ext") == contents[1])
        },
        Promise("Uploads of one name that complete at once get a name each") { site in
            let stores = [try site.open(), try site.open()]
            let (names, errors) = (Collected<String>(), Collected<any Error>())
            try onThreads(8) { index in
                do {
                    let client = try Client("id \(index)", "name.ext", of: content(50 + index, seed: UInt64(index)))
                    let effect = try untilNotBusy { try client.sendAll(to: stores[index % 2]) }
                    guard case .completed(let path) = effect else { return }
                    names.add(path)
                    #expect(try site.bytes(of: path) == client.content)
                } catch {
                    errors.add(error)
                }
            }
            #expect(errors.all.isEmpty, "\(errors.all)")
            let expected = (["name.ext"] + (1...7).map { "name (\($0)).ext" }).sorted()
            #expect(names.all.sorted() == expected)
            #expect(try site.files() == expected)
        },
        Promise("A record of a finished upload expires, its file stays, and the same upload can begin anew") { site in
            let store = try site.open(StoreSettings(expire: 10_000))
            let client = try Client(of: content(30))
            try client.sendAll(to: store)
            site.wait(seconds: 5000)
            #expect(store.sweep().removed.isEmpty)
            #expect(try client.send(1, to: store) == .duplicate)
            site.wait(seconds: 20_000)
            let report = store.sweep()
            #expect(report.removed.map(\.path) == ["name.bin"] && report.failures.isEmpty)
            #expect(try client.status(in: store) == nil)
            #expect(try site.bytes(of: "name.bin") == client.content)
            #expect(try client.sendAll(to: store) == .completed(path: "name (1).bin"))
        },
    ]

    private static func expectFile(_ site: any StoreUnderTest, _ client: Client) throws {
        let store = try site.open()
        var generator = SplitMix64(seed: UInt64(client.content.count))
        var completed: [Receipt.Effect] = []
        for number in (Array(client.numbers) + Array(client.numbers)).shuffled(using: &generator) {
            let effect = try client.send(number, to: store)
            if case .completed = effect { completed.append(effect) }
            #expect(try client.isHeld(number, in: store))
        }
        let name = client.id.filename.text
        #expect(completed == [.completed(path: name)], "\(name)")
        #expect(try site.bytes(of: name) == client.content, "\(name)")
        #expect(try client.status(in: store)?.complete == true, "\(name)")
    }
}
