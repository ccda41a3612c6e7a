import Multipart

/// A simple parser for the structure of a multipart body: it has all of it in memory and tries every position.
package struct ReferenceParser {
    package let body: [UInt8]
    package let dashBoundary: [UInt8]
    /// CR LF, or LF alone in a body whose first line is a delimiter that ends so.
    private let lineBreak: [UInt8]

    package init(_ body: [UInt8], boundary: String) {
        self.body = body
        dashBoundary = Array("--\(boundary)".utf8)
        let isLineFeed =
            body.starts(with: dashBoundary)
            && body.dropFirst(dashBoundary.count).first { $0 != 0x20 && $0 != 0x09 } == 0x0A
        lineBreak = isLineFeed ? [0x0A] : [0x0D, 0x0A]
    }

    /// A delimiter: the end of the data before it, and its own end.
    private struct Found {
        var dataEnd: Int
        var end: Int
        var close: Bool
    }

    /// The whole parts, and whether the body was valid to its end.
    package func parse() -> (parts: [Part], valid: Bool) {
        var parts: [Part] = []
        guard var delimiter = find(from: 0) else { return (parts, false) }
        while !delimiter.close {
            guard let header = headerEnd(from: delimiter.end),
                var part = ReferenceHeader.part(Array(body[delimiter.end..<header]), lineBreak: lineBreak),
                let next = find(from: header)
            else { return (parts, false) }
            part.data = Array(body[header..<next.dataEnd])
            parts.append(part)
            delimiter = next
        }
        return (parts, true)
    }

    private func has(_ text: some Collection<UInt8>, at position: Int) -> Bool {
        body.dropFirst(position).starts(with: text)
    }

    private func find(from start: Int) -> Found? {
        if let found = delimiter(at: start, dataEnd: start) { return found }
        for position in start..<max(start, body.count) where has(lineBreak, at: position) {
            if let found = delimiter(at: position + lineBreak.count, dataEnd: position) { return found }
        }
        return nil
    }

    private func delimiter(at position: Int, dataEnd: Int) -> Found? {
        guard has(dashBoundary, at: position) else { return nil }
        var end = position + dashBoundary.count
        if has("--".utf8, at: end) { return Found(dataEnd: dataEnd, end: end + 2, close: true) }
        while has(" ".utf8, at: end) || has("\t".utf8, at: end) { end += 1 }
        return has(lineBreak, at: end) ? Found(dataEnd: dataEnd, end: end + lineBreak.count, close: false) : nil
    }

    private func headerEnd(from start: Int) -> Int? {
        if has(lineBreak, at: start) { return start + lineBreak.count }
        let end = lineBreak + lineBreak
        return (start..<max(start, body.count)).first { has(end, at: $0) }.map { $0 + end.count }
    }
}
