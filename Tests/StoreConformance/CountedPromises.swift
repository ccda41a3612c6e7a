import TestSupport
import Testing
import UploadModel
import UploadStore

extension Promise {
    /// Chunks of clients that state how many there are, and no sizes.
    static let counted = [
        Promise("Chunks without sizes, in any order, each sent twice, make the file") { site in
            for size in [0, 1, 9, 10, 11, 19, 20, 101] {
                for (index, cut) in Cut.allCases.enumerated() {
                    for seed in 0..<3 as Range<UInt64> {
                        let name = "\(size) \(index) \(seed)"
                        let store = try site.open()
                        var client = try Client(name, name, of: content(size))
                        client.cut = cut
                        var generator = SplitMix64(seed: seed)
                        var completed: [Receipt.Effect] = []
                        for number in (Array(client.numbers) + Array(client.numbers)).shuffled(using: &generator) {
                            let effect = try client.sendCounted(number, to: store)
                            if case .completed = effect { completed.append(effect) }
                            let status = try #require(try store.status(of: client.countedRequest(number)))
                            #expect(status.receipt != nil, "\(name), chunk \(number)")
                        }
                        #expect(completed == [.completed(path: name)], "\(name)")
                        #expect(try site.bytes(of: name) == client.content, "\(name)")
                    }
                }
            }
        },
        Promise("A chunk without sizes whose length contradicts the others is refused, and counts nothing") { site in
            let store = try site.open()
            let client = try Client(of: content(35))
            try client.sendCounted(1, to: store)
            for length in [0, 9, 11] {
                #expect(throws: StoreError.self) { try client.sendCounted(2, to: store, content(length)) }
            }
            #expect(throws: StoreError.self) { try client.sendCounted(4, to: store, content(20)) }
            #expect(throws: StoreError.tooLarge(limit: 34)) { try client.sendCounted(4, to: store, limit: 34) }
            #expect(try store.status(of: client.countedRequest(1))?.held.count == 10)
            for number in 2...4 { try client.sendCounted(number, to: store) }
            #expect(try site.bytes(of: "name.bin") == client.content)
        },
        Promise("Another file of a client without sizes becomes a file of its own, whichever chunk differs") { site in
            let store = try site.open()
            for differing in 1...4 {
                let client = try Client("\(differing)", "\(differing)", of: content(35))
                for number in 1...4 { try client.sendCounted(number, to: store) }
                var bytes = client.content
                bytes.replaceSubrange(client.range(differing), with: content(client.range(differing).count, seed: 9))
                let second = client.with(bytes)
                for number in 1...4 { try second.sendCounted(number, to: store) }
                #expect(try site.bytes(of: "\(differing)") == client.content)
                #expect(try site.bytes(of: "\(differing) (1)") == second.content)
            }
        },
        Promise("A client that states sizes goes on with an upload that was begun without") { site in
            let store = try site.open()
            let client = try Client(of: content(35))
            for number in [4, 2] { try client.sendCounted(number, to: store) }
            #expect(try client.numbers.map { try client.isHeld($0, in: store) } == [false, true, false, true])
            for number in [1, 3] { try client.send(number, to: store) }
            #expect(try site.bytes(of: "name.bin") == client.content)
        },
    ]
}
