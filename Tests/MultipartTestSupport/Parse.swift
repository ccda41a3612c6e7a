package import Multipart
package import TestSupport

/// A part for tests: its data joined, its names as bytes.
package struct Part: Equatable, CustomStringConvertible {
    package var name: [UInt8]
    package var filename: [UInt8]?
    package var contentType: MediaType?
    package var data: [UInt8] = []

    package init(_ name: String, filename: String? = nil, type: String? = nil, data: String = "") {
        self.init(
            name: Array(name.utf8), filename: filename.map { Array($0.utf8) },
            contentType: type.flatMap { try? MediaType($0.utf8) }, data: Array(data.utf8))
    }

    package init(name: [UInt8], filename: [UInt8]?, contentType: MediaType?, data: [UInt8]) {
        self.name = name
        self.filename = filename
        self.contentType = contentType
        self.data = data
    }

    package var description: String {
        let file = filename.map { String(decoding: $0, as: UTF8.self) } ?? "-"
        return "(\(String(decoding: name, as: UTF8.self)), \(file), \(String(decoding: data, as: UTF8.self)))"
    }
}

/// The result of parsing a body: the whole parts, an unfinished one, and how it ended.
package struct Outcome: Equatable {
    package var parts: [Part] = []
    package var begun: Part?
    package var ended = false
    package var error: MultipartError?

    package init(parts: [Part] = [], begun: Part? = nil, ended: Bool = false, error: MultipartError? = nil) {
        self.parts = parts
        self.begun = begun
        self.ended = ended
        self.error = error
    }
}

/// Parses a body that is cut at `cuts` (positions in ascending order), and joins adjacent data.
///
/// Each piece has memory of its own, exactly as long as itself, so that AddressSanitizer finds a read past its end.
package func parse(
    _ body: [UInt8], boundary: String = "b", cuts: [Int] = [], limits: MultipartLimits = MultipartLimits()
) -> Outcome {
    var outcome = Outcome()
    do throws(MultipartError) {
        let value = "multipart/form-data; boundary=\"\(boundary)\""
        var parser = MultipartParser(boundary: try Boundary(contentType: value.utf8), limits: limits)
        var start = 0
        for end in cuts + [body.count] {
            let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: end - start, alignment: 1)
            defer { piece.deallocate() }
            piece.copyBytes(from: body[start..<end])
            try feed(UnsafeRawBufferPointer(piece), to: &parser, &outcome)
            start = end
        }
        try parser.finish()
    } catch {
        outcome.error = error
    }
    return outcome
}

package func parse(
    _ body: String, boundary: String = "b", cuts: [Int] = [], limits: MultipartLimits = MultipartLimits()
) -> Outcome {
    parse(Array(body.utf8), boundary: boundary, cuts: cuts, limits: limits)
}

private func feed(
    _ piece: UnsafeRawBufferPointer, to parser: inout MultipartParser, _ outcome: inout Outcome
) throws(MultipartError) {
    var offset = 0
    while let event = try parser.next(piece, at: &offset) {
        switch event {
        case .partBegan(let header):
            outcome.begun = Part(
                name: header.name, filename: header.filename, contentType: header.contentType, data: [])
        case .data(let range):
            outcome.begun?.data.append(contentsOf: piece[range])
        case .heldData(let bytes):
            outcome.begun?.data.append(contentsOf: bytes)
        case .partEnded:
            if let part = outcome.begun { outcome.parts.append(part) }
            outcome.begun = nil
        case .ended:
            outcome.ended = true
        }
    }
}

/// The parts of a body; nil if it is not whole.
package func parts(_ body: String, boundary: String = "b") -> [Part]? {
    let outcome = parse(body, boundary: boundary)
    return outcome.error == nil && outcome.ended ? outcome.parts : nil
}

/// A form of boundary `b` with one part of the given header lines.
package func form(_ header: String, data: String = "x") -> String {
    "--b\r\n\(header)\r\n\r\n\(data)\r\n--b--\r\n"
}

extension SplitMix64 {
    /// Up to `count` positions in a body of `length` bytes, in ascending order; two may be equal.
    package mutating func cuts(_ count: Int, in length: Int) -> [Int] {
        (0..<Int.random(in: 0...count, using: &self)).map { _ in Int.random(in: 0...length, using: &self) }.sorted()
    }
}
