import TestSupport
import Testing

@testable import UploadService

/// A body in the form of fields, a chunk and a close delimiter, read through a `ChunkBuffer` as a receiver reads it.
@Suite("The buffer of a request's body")
struct ChunkBufferTests {
    /// The bytes of each write.
    private struct Writes {
        var all: [[UInt8]] = []

        mutating func add(_ bytes: UnsafeRawBufferPointer) { all.append(Array(bytes)) }
    }

    private func withBuffer(_ size: Int, _ body: (inout ChunkBuffer) throws -> Void) rethrows {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
        defer { memory.deallocate() }
        var buffer = ChunkBuffer(memory)
        try body(&buffer)
    }

    /// Reads as many of the bytes as fit.
    private func fill(
        _ buffer: inout ChunkBuffer, from rest: inout ArraySlice<UInt8>, atMost limit: Int = .max
    ) -> Int {
        let target = buffer.target
        let piece = rest.prefix(min(target.count, limit))
        target.copyBytes(from: piece)
        rest = rest.dropFirst(piece.count)
        #expect(buffer.filled(piece.count).elementsEqual(piece))
        return piece.count
    }

    private func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 167 ^ $0 >> 7 ^ $0 >> 13) }
    }

    @Test(
        "fields are read in pieces of 4 KiB, or of all the memory where it is smaller", arguments: [100, 4096, 65_536])
    func fields(_ size: Int) {
        withBuffer(size) { buffer in
            #expect(buffer.target.count == min(4096, size))
            _ = buffer.filled(1)
            #expect(buffer.target.count == min(4096, size))
        }
    }

    @Test("the chunk's first bytes and those after them are one write that ends at a multiple of the stride")
    func firstBytes() {
        withBuffer(64 << 10) { buffer in
            let chunk = bytes(200_000)
            for fieldsLength in [1, 1000, 4095] {
                buffer = ChunkBuffer(buffer.memory)
                var rest = ([UInt8](repeating: 0, count: fieldsLength) + chunk)[...]
                var writes = Writes()
                let first = fill(&buffer, from: &rest)
                buffer.beginChunk()
                buffer.pass(fieldsLength..<first) { writes.add($0) }
                #expect(writes.all.isEmpty)
                while !rest.isEmpty {
                    let count = fill(&buffer, from: &rest)
                    buffer.pass(0..<count) { writes.add($0) }
                }
                buffer.endChunk { writes.add($0) }
                #expect(writes.all.dropLast().allSatisfy { $0.count == buffer.stride })
                #expect(writes.all.joined().elementsEqual(chunk))
            }
        }
    }

    @Test("a chunk that ends in the piece that it begins in is written at its end")
    func shortChunk() {
        withBuffer(64 << 10) { buffer in
            var rest = bytes(300)[...]
            var writes = Writes()
            let count = fill(&buffer, from: &rest)
            buffer.beginChunk()
            buffer.pass(100..<count) { writes.add($0) }
            buffer.endChunk { writes.add($0) }
            #expect(writes.all == [Array(bytes(300)[100...])])
            buffer.endChunk { writes.add($0) }
            #expect(writes.all.count == 1)
        }
    }

    @Test("bytes from outside the buffer come after those that wait, and count in the alignment")
    func outside() {
        withBuffer(64 << 10) { buffer in
            let held: [UInt8] = [1, 2, 3]
            var rest = bytes(100_000)[...]
            var writes = Writes()
            let count = fill(&buffer, from: &rest, atMost: 50)
            buffer.beginChunk()
            buffer.pass(10..<count) { writes.add($0) }
            held.withUnsafeBytes { held in buffer.pass(outside: held) { writes.add($0) } }
            #expect(writes.all == [Array(bytes(50)[10...]), held])
            #expect(buffer.target.count == buffer.stride - 43)
        }
    }

    @Test("without memory to spare for fields, no byte waits", arguments: [100, 8192])
    func smallMemory(_ size: Int) {
        withBuffer(size) { buffer in
            var rest = bytes(90)[...]
            var writes = Writes()
            let count = fill(&buffer, from: &rest)
            buffer.beginChunk()
            buffer.pass(10..<count) { writes.add($0) }
            #expect(writes.all == [Array(bytes(90)[10...])])
        }
    }

    @Test("a body that is the chunk itself is written in whole strides at once")
    func octets() {
        withBuffer(64 << 10) { buffer in
            buffer.beginChunk()
            #expect(buffer.target.count == buffer.stride)
            var rest = bytes(buffer.stride)[...]
            var writes = Writes()
            let count = fill(&buffer, from: &rest)
            buffer.pass(0..<count) { writes.add($0) }
            #expect(writes.all.map(\.count) == [buffer.stride])
        }
    }

    @Test("whatever the pieces, all bytes are passed on in order", arguments: 0..<50 as Range<UInt64>)
    func anyPieces(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        withBuffer([100, 8192, 12_288, 65_536].randomElement(using: &random) ?? 100) { buffer in
            let chunk = bytes(Int.random(in: 0...150_000, using: &random))
            let fields = Int.random(in: 0...80, using: &random)
            var rest = ([UInt8](repeating: 0, count: fields) + chunk)[...]
            var writes = Writes()
            var (unread, hasBegun) = (fields, false)
            while !rest.isEmpty {
                let piece = rest
                let count = fill(&buffer, from: &rest, atMost: Int.random(in: 1...70_000, using: &random))
                let skipped = min(unread, count)
                unread -= skipped
                guard skipped < count else { continue }
                if !hasBegun { buffer.beginChunk() }
                hasBegun = true
                // A parser may return what it has held from the piece in a copy, and the rest in several ranges.
                let copied = Int.random(in: skipped...count, using: &random)
                if Bool.random(using: &random), copied > skipped {
                    let copy = Array(piece.dropFirst(skipped).prefix(copied - skipped))
                    copy.withUnsafeBytes { copy in buffer.pass(outside: copy) { writes.add($0) } }
                } else if copied > skipped {
                    buffer.pass(skipped..<copied) { writes.add($0) }
                }
                if copied < count { buffer.pass(copied..<count) { writes.add($0) } }
            }
            buffer.endChunk { writes.add($0) }
            #expect(writes.all.joined().elementsEqual(chunk))
        }
    }
}
