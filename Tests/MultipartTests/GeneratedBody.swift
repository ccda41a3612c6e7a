import Multipart
import MultipartTestSupport
import TestSupport

/// A random form, together with the parts it was made of. Its data are heavy with what delimiters are made of.
struct GeneratedBody {
    let boundary: String
    private(set) var bytes: [UInt8] = []
    private(set) var parts: [Part] = []

    init(_ random: inout SplitMix64) {
        let bchars = "abXYZ019'()+_,-./:=?"
        boundary = Self.text(of: bchars, 1...70, &random)
        if Bool.random(using: &random) { bytes += "preamble -- \r\n".utf8 }
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            let part = Self.part(boundary, &random)
            bytes += "--\(boundary)\(Self.text(of: " \t", 0...3, &random))\r\n".utf8
            bytes += Self.header(of: part, &random)
            bytes += "\r\n".utf8 + part.data + "\r\n".utf8
            parts.append(part)
        }
        bytes += "--\(boundary)--".utf8
        bytes += ["", "\r\n", " \t\r\nepilogue\r\n--\(boundary)\r\n"].randomElement(using: &random)?.utf8 ?? "".utf8
    }

    private static func text(of alphabet: String, _ length: ClosedRange<Int>, _ random: inout SplitMix64) -> String {
        let characters = (0..<Int.random(in: length, using: &random)).compactMap { _ in
            alphabet.randomElement(using: &random)
        }
        return String(characters)
    }

    private static func part(_ boundary: String, _ random: inout SplitMix64) -> Part {
        let letters = "ab;=% '中\"\\"
        return Part(
            text(of: letters, 0...9, &random),
            filename: Bool.random(using: &random) ? text(of: letters, 0...9, &random) : nil,
            type: [nil, "text/plain", "application/octet-stream"].randomElement(using: &random) ?? nil,
            data: data(boundary, &random))
    }

    /// Quotes and backslashes are escaped by a backslash, or quotes as browsers do it where no backslash is near.
    private static func header(of part: Part, _ random: inout SplitMix64) -> [UInt8] {
        func quoted(_ bytes: [UInt8]) -> [UInt8] {
            let asBrowser = !bytes.contains(UInt8(ascii: "\\")) && Bool.random(using: &random)
            let escaped = bytes.flatMap { byte -> [UInt8] in
                switch byte {
                case UInt8(ascii: "\""): Array((asBrowser ? "%22" : "\\\"").utf8)
                case UInt8(ascii: "\\"): Array("\\\\".utf8)
                default: [byte]
                }
            }
            return Array("\"".utf8) + escaped + Array("\"".utf8)
        }
        let names = ["Content-Disposition", "content-disposition", "CONTENT-DISPOSITION"]
        var line = Array("\(names.randomElement(using: &random) ?? names[0]): form-data; name=".utf8)
        line += quoted(part.name)
        if let filename = part.filename {
            line += (Bool.random(using: &random) ? ";\r\n\tfilename=" : ";filename=").utf8
            line += quoted(filename)
        }
        var lines = [line + Array("\r\n".utf8), Array("X-Other: --b\r\n".utf8)]
        if let type = part.contentType { lines.append(Array("Content-Type: \(type.essence)\r\n".utf8)) }
        return Array(lines.shuffled(using: &random).joined())
    }

    private static func data(_ boundary: String, _ random: inout SplitMix64) -> String {
        let delimiter = "\r\n--\(boundary)"
        var data = ""
        for _ in 0..<Int.random(in: 0...12, using: &random) {
            switch Int.random(in: 0...7, using: &random) {
            case 0: data += "\r"
            case 1: data += "\n"
            case 2: data += "-"
            case 3: data += "\r\n"
            case 4: data += "\r\n--"
            case 5: data += String(delimiter.unicodeScalars.prefix(Int.random(in: 1...30, using: &random)))
            case 6: data += delimiter + (["X", "-X", " X", "\t \rX"].randomElement(using: &random) ?? "X")
            default: data += text(of: "ab-", 1...20, &random)
            }
        }
        // By chance the pieces may have joined to a delimiter, with what stands around them too: "X" is everywhere
        // behind the boundary where they have not.
        let framed = Array("\r\n\(data)\r\n".utf8)
        let bare = Array(delimiter.utf8)
        let joined = framed.indices.contains {
            framed[$0...].starts(with: bare) && endsLine(framed[($0 + bare.count)...])
        }
        return joined ? "" : data
    }

    private static func endsLine(_ tail: ArraySlice<UInt8>) -> Bool {
        let rest = tail.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        return tail.starts(with: "--".utf8) || rest.starts(with: "\r\n".utf8)
    }
}
