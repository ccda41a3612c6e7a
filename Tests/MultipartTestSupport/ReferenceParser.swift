import Multipart

/// A simple parser for the structure of a multipart body: it has all of it in memory and tries every position.
package struct ReferenceParser {
    package let body: [UInt8]
    package let dashBoundary: [UInt8]

    package init(_ body: [UInt8], boundary: String) {
        self.body = body
        dashBoundary = Array("--\(boundary)".utf8)
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
                var part = ReferenceHeader.part(Array(body[delimiter.end..<header])),
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
        for position in start..<max(start, body.count) where has("\r\n".utf8, at: position) {
            if let found = delimiter(at: position + 2, dataEnd: position) { return found }
        }
        return nil
    }

    private func delimiter(at position: Int, dataEnd: Int) -> Found? {
        guard has(dashBoundary, at: position) else { return nil }
        var end = position + dashBoundary.count
        if has("--".utf8, at: end) { return Found(dataEnd: dataEnd, end: end + 2, close: true) }
        while has(" ".utf8, at: end) || has("\t".utf8, at: end) { end += 1 }
        return has("\r\n".utf8, at: end) ? Found(dataEnd: dataEnd, end: end + 2, close: false) : nil
    }

    private func headerEnd(from start: Int) -> Int? {
        if has("\r\n".utf8, at: start) { return start + 2 }
        return (start..<max(start, body.count)).first { has("\r\n\r\n".utf8, at: $0) }.map { $0 + 4 }
    }
}
