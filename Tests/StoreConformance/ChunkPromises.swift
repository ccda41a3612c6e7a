import TestSupport
import Testing
import UploadModel
import UploadStore

extension Promise {
    /// The effect of each chunk on the held ranges.
    static let chunks = [
        Promise("An unknown upload is reported as unknown, and a test does not begin it") { site in
            let store = try site.open()
            let client = try Client(of: content(30))
            #expect(try client.status(in: store) == nil)
            #expect(try client.status(in: store) == nil)
            #expect(try store.uploads().isEmpty)
            #expect(try site.files().isEmpty)
        },
        Promise("A test reports the bytes that are held, no more and no fewer, to every process") { site in
            let (store, other) = (try site.open(), try site.open())
            let client = try Client(of: content(45))
            #expect(try client.send(4, to: store) == .stored)
            #expect(try client.send(1, to: store) == .stored)
            for store in [store, other] {
                let status = try #require(try client.status(in: store))
                #expect(status.size == 45 && !status.complete)
                #expect(try client.held(in: store) == [[0, 10], [30, 40]])
                #expect(
                    try client.numbers.map { try client.isHeld($0, in: store) } == [true, false, false, true, false])
            }
            #expect(try site.files().isEmpty, "a half file is visible")
        },
        Promise("The same bytes for a held range change nothing") { site in
            let store = try site.open()
            let client = try Client(of: content(30))
            try client.send(2, to: store)
            for piece in [1, 3, 100] { #expect(try client.send(2, to: store, piece: piece) == .duplicate) }
            #expect(try client.held(in: store) == [[10, 20]])
            try client.send(1, to: store)
            #expect(try client.send(3, to: store) == .completed(path: "name.bin"))
            #expect(try site.bytes(of: "name.bin") == client.content)
        },
        Promise("Other bytes for a held range replace the old ones while the file is incomplete") { site in
            for difference in 10..<20 {
                let store = try site.open()
                let client = try Client("id \(difference)", "\(difference)", of: content(30))
                var old = client.content
                for index in difference..<20 { old[index] ^= 0xff }
                try client.with(old).send(2, to: store)
                #expect(try client.send(2, to: store, piece: 3) == .stored)
                #expect(try client.held(in: store) == [[10, 20]])
                try client.send(1, to: store)
                #expect(try client.send(3, to: store) == .completed(path: "\(difference)"))
                #expect(try site.bytes(of: "\(difference)") == client.content)
            }
        },
        Promise("A chunk with too few or too many bytes counts nothing") { site in
            let store = try site.open()
            for statesLength in [true, false] {
                // The chunk at 10 of 25 bytes has 10 bytes, or 15 if the client cuts files in the other way.
                var client = try Client("id \(statesLength)", of: content(25))
                client.statesLength = statesLength
                let request = try client.request(2)
                let lengths: [UInt64] = statesLength ? [10] : [10, 15]
                for length in 0...20 where !lengths.contains(UInt64(length)) {
                    let error = #expect(throws: StoreError.self) {
                        try store.take(request, content(length), piece: 4)
                    }
                    switch error {
                    case .tooShort(let received, lengths): #expect(length < 10 && received == length)
                    // A store may refuse the first byte that is too many.
                    case .wrongLength(let received, lengths): #expect((11...20).contains(received))
                    default: Issue.record("\(length) bytes gave \(String(describing: error))")
                    }
                    #expect(try client.held(in: store) == [])
                }
                #expect(try client.send(2, to: store) == .stored)
            }
        },
        Promise("A chunk whose sender goes away counts nothing, and the range can be sent again at once") { site in
            let store = try site.open()
            let client = try Client(of: content(30))
            do {
                let writer = try store.receive(client.request(2))
                try writer.write(client.content[10..<17])
            }
            #expect(try client.held(in: store) == [])
            #expect(try client.send(2, to: store) == .stored)
        },
        Promise("A client that returns with another chunk size goes on with what is held") { site in
            let store = try site.open()
            var client = try Client(of: content(100))
            for number in [1, 2, 5, 9] { try client.send(number, to: store) }
            client.chunkSize = 15
            #expect(
                try client.numbers.map { try client.isHeld($0, in: store) } == [true] + [
                    false, false, false, false, false, false,
                ])
            for number in client.numbers where try !client.isHeld(number, in: store) {
                try client.send(number, to: store)
            }
            #expect(try site.bytes(of: "name.bin") == client.content)
        },
        Promise("After any sequence of chunks the held ranges are their union, and the last bytes sent stand") { site in
            for seed in 0..<UInt64(site.repetitions) {
                try expectUnion(site, seed)
            }
        },
        Promise("A spool keeps bytes in order for a chunk whose parameters come late") { site in
            let store = try site.open()
            let client = try Client(of: content(1000))
            let spool = try store.spool()
            for start in stride(from: 0, to: 1000, by: 13) {
                try client.content[start..<min(start + 13, 1000)].withUnsafeBytes { try spool.write($0) }
            }
            #expect(spool.length == 1000)
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 7, alignment: 1)
            defer { buffer.deallocate() }
            var whole = client
            whole.chunkSize = 1000
            for _ in 0..<2 {
                let writer = try store.receive(whole.request(1))
                try spool.replay(to: writer, through: buffer)
                _ = try writer.commit()
            }
            #expect(try site.bytes(of: "name.bin") == client.content)
        },
    ]

    /// Sends ranges at random to a file that is never complete, then completes it.
    private static func expectUnion(_ site: any StoreUnderTest, _ seed: UInt64) throws {
        let stores = [try site.open(), try site.open()]
        var generator = SplitMix64(seed: seed)
        let size = 60
        let client = try Client("id \(seed)", "\(seed)", of: [UInt8](repeating: 0, count: size))
        var expected = [UInt8?](repeating: nil, count: size)
        func send(_ range: Range<Int>, _ bytes: [UInt8]) throws {
            let layout = ChunkLayout(offset: UInt64(range.lowerBound), length: UInt64(range.count))
            let request = ChunkRequest(
                upload: client.id, number: 1, place: .sized(total: UInt64(size), chunkSize: 1, layout))
            let store = stores[Int.random(in: 0...1, using: &generator)]
            _ = try store.take(request, bytes, piece: Int.random(in: 1...9, using: &generator))
            for (index, byte) in zip(range, bytes) { expected[index] = byte }
        }
        for step in 0..<30 {
            // The last byte is left out, so that the file stays incomplete.
            let start = Int.random(in: 0..<size - 1, using: &generator)
            let end = Int.random(in: start + 1..<size, using: &generator)
            // Often what is held already, and sometimes different from its middle on.
            var bytes = (start..<end).map { expected[$0] ?? UInt8(truncatingIfNeeded: $0) }
            if Bool.random(using: &generator) {
                for index in bytes.count / 2..<bytes.count { bytes[index] ^= UInt8(truncatingIfNeeded: step) }
            }
            try send(start..<end, bytes)
            var held = ByteRangeSet()
            for index in expected.indices where expected[index] != nil {
                held.insert(ByteRange(from: UInt64(index), length: 1) ?? ByteRange(first: 0))
            }
            #expect(try client.status(in: stores[0])?.held == held, "seed \(seed), step \(step)")
        }
        try send(0..<1, [expected[0] ?? 7])
        for index in expected.indices where expected[index] == nil { try send(index..<index + 1, [UInt8(index)]) }
        #expect(try site.bytes(of: "\(seed)") == expected.map { $0 ?? 0 }, "seed \(seed)")
    }
}
