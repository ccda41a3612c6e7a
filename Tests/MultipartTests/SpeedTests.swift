import Glibc
import Multipart
import TestSupport
import Testing

@Suite("Speed", .serialized)
struct SpeedTests {
    /// Contents of a file part, from harmless to what hurts a search most.
    enum Content: String, CaseIterable {
        case random, zeros, carriageReturns, lineBreaks, openDelimiters, nearDelimiters, paddedDelimiters

        func bytes(_ count: Int) -> [UInt8] {
            var random = SplitMix64(seed: 1)
            let unit: [UInt8]
            switch self {
            case .random: unit = (0..<65_537).map { _ in UInt8.random(in: 0...255, using: &random) }
            case .zeros: unit = [0]
            case .carriageReturns: unit = [13]
            case .lineBreaks: unit = [13, 10]
            case .openDelimiters: unit = Array("\r\n--".utf8)
            case .nearDelimiters: unit = Array("\r\n--\(SpeedTests.boundary.dropLast())X".utf8)
            case .paddedDelimiters:
                unit = Array("\r\n--\(SpeedTests.boundary)\(String(repeating: " ", count: 200))X".utf8)
            }
            var bytes: [UInt8] = []
            bytes.reserveCapacity(count + unit.count)
            while bytes.count < count { bytes += unit }
            return bytes
        }
    }

    static let boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW"

    /// Parses `rounds` times `content` as one file, in pieces of `size` bytes. Returns the seconds and the data bytes.
    private func run(_ content: [UInt8], size: Int, rounds: Int) throws -> (seconds: Double, bytes: Int) {
        let value = "multipart/form-data; boundary=\(Self.boundary)"
        var parser = MultipartParser(boundary: try Boundary(contentType: value.utf8))
        let head = Array("--\(Self.boundary)\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n".utf8)
        let tail = Array("\r\n--\(Self.boundary)--\r\n".utf8)
        var bytes = 0
        func feed(_ input: UnsafeRawBufferPointer) throws(MultipartError) {
            var offset = 0
            while let event = try parser.next(input, at: &offset) {
                switch event {
                case .data(let range): bytes += range.count
                case .heldData(let held): bytes += held.count
                case .partBegan, .partEnded, .ended: break
                }
            }
        }
        let start = processorTime()
        try head.withUnsafeBytes(feed)
        for _ in 0..<rounds {
            try content.withUnsafeBytes { all in
                for first in stride(from: 0, to: all.count, by: size) {
                    try feed(UnsafeRawBufferPointer(rebasing: all[first..<min(first + size, all.count)]))
                }
            }
        }
        try tail.withUnsafeBytes(feed)
        let seconds = processorTime() - start
        try parser.finish()
        return (seconds, bytes)
    }

    @Test("Eight times the bytes take about eight times the time, whatever they are", arguments: Content.allCases)
    func linear(_ content: Content) throws {
        func best(_ count: Int, size: Int) throws -> Double {
            let bytes = content.bytes(count)
            return try (0..<5).map { _ in
                let result = try run(bytes, size: size, rounds: 1)
                #expect(result.bytes == bytes.count)
                return result.seconds
            }.min() ?? 0
        }
        // In one piece each, and in pieces that are mostly held and refuted. Quadratic time would show as a ratio of
        // 64. Less than a millisecond is noise, and proof enough.
        for (count, size) in [(1 << 18, 1 << 24), (1 << 13, 3)] {
            let ratio = try best(count * 8, size: size) / max(best(count, size: size), 1e-3)
            #expect(ratio < 24, "\(content), pieces of \(size)")
        }
    }

    @Test("Figures for every content and size of piece", .enabled(if: getenv("MULTIPART_BENCH") != nil))
    func figures() throws {
        for content in Content.allCases {
            // Small enough for the cache: what is measured is the parser, not the memory.
            let bytes = content.bytes(1 << 20)
            for size in [8 << 10, 64 << 10, 256 << 10] {
                let result = try run(bytes, size: size, rounds: 200)
                let speed = Int(Double(result.bytes) / result.seconds / 1e6)
                print("\(content), pieces of \(size >> 10) KiB: \(speed) MB/s")
            }
        }
    }
}
