import Multipart

/// A simple reader for the header of a part. Each byte becomes the ISO-8859-1 character with that number.
package enum ReferenceHeader {
    package static func part(_ block: [UInt8], lineBreak: [UInt8] = [0x0D, 0x0A]) -> Part? {
        let text = block.map { Unicode.Scalar($0) }
        for (index, scalar) in text.enumerated() {
            if scalar == "\0" { return nil }
            if lineBreak.count == 1 && scalar == "\r" { return nil }
            if lineBreak.count == 1 { continue }
            if scalar == "\r" && text.dropFirst(index + 1).first != "\n" { return nil }
            if scalar == "\n" && (index == 0 || text[index - 1] != "\r") { return nil }
        }
        let lines = text.filter { $0 != "\r" }.split(separator: "\n").map(Array.init)
        var fields: [(name: String, value: [Unicode.Scalar])] = []
        for line in lines {
            if line[0] == " " || line[0] == "\t" {
                guard !fields.isEmpty else { return nil }
                fields[fields.count - 1].value += line
                continue
            }
            guard let colon = line.firstIndex(of: ":"), let name = token(line[..<colon]) else { return nil }
            fields.append((name, Array(line[(colon + 1)...])))
        }
        func values(_ name: String) -> [[Unicode.Scalar]] { fields.filter { $0.name == name }.map(\.value) }
        let (dispositions, types) = (values("content-disposition"), values("content-type"))
        let encodings = values("content-transfer-encoding")
        guard dispositions.count == 1, types.count < 2, encodings.count < 2 else { return nil }
        if let encoding = encodings.first {
            guard ["7bit", "8bit", "binary"].contains(token(trim(encoding[...])) ?? "") else { return nil }
        }
        guard var part = disposition(dispositions[0]) else { return nil }
        part.contentType = types.first.flatMap { try? MediaType(bytes($0)) }
        return part
    }

    /// The parsed value of a Content-Type header; nil if it is invalid.
    package static func mediaType(
        _ value: [UInt8]
    ) -> (type: String, subtype: String, parameters: [String: [UInt8]])? {
        guard let (word, parameters) = pieces(value.map { Unicode.Scalar($0) }) else { return nil }
        let words = word.split(separator: "/", omittingEmptySubsequences: false)
        guard words.count == 2, let type = token(words[0]), let subtype = token(words[1]) else { return nil }
        return (type, subtype, parameters.mapValues(bytes))
    }

    private static func disposition(_ value: [Unicode.Scalar]) -> Part? {
        guard let (word, parameters) = pieces(value), token(word) == "form-data" else { return nil }
        guard let name = parameters["name"] else { return nil }
        var filename = parameters["filename"].map { unescapeBrowser(bytes($0)) }
        if let extended = parameters["filename*"] {
            filename = decodeExtended(extended) ?? filename
            if filename == nil { return nil }
        }
        return Part(name: unescapeBrowser(bytes(name)), filename: filename, contentType: nil, data: [])
    }

    /// Splits at semicolons outside quotes, then each piece at its equals sign.
    private static func pieces(
        _ value: [Unicode.Scalar]
    ) -> (word: ArraySlice<Unicode.Scalar>, parameters: [String: [Unicode.Scalar]])? {
        let word = value.prefix { $0 != ";" }
        var pieces: [[Unicode.Scalar]] = [[]]
        var quoted = false
        var escaped = false
        for scalar in trim(value[...]).drop(while: { $0 != ";" }) {
            if escaped {
                escaped = false
            } else if quoted && scalar == "\\" {
                escaped = true
            } else if scalar == "\"" {
                quoted.toggle()
            }
            if scalar == ";" && !quoted { pieces.append([]) } else { pieces[pieces.count - 1].append(scalar) }
        }
        var parameters: [String: [Unicode.Scalar]] = [:]
        for piece in pieces.map({ trim($0[...]) }) where !piece.isEmpty {
            guard let equals = piece.firstIndex(of: "="), let name = token(trim(piece[..<equals])),
                let value = unquote(trim(piece[(equals + 1)...])), parameters.count < 16,
                parameters.updateValue(value, forKey: name) == nil
            else { return nil }
        }
        return (trim(word), parameters)
    }

    private static func unquote(_ value: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar]? {
        guard value.first == "\"" else {
            return value.isEmpty || value.contains { "\" \t".unicodeScalars.contains($0) } ? nil : Array(value)
        }
        var result: [Unicode.Scalar] = []
        var index = value.startIndex + 1
        while index < value.endIndex {
            if value[index] == "\"" { return index == value.endIndex - 1 ? result : nil }
            let next = index + 1 < value.endIndex ? value[index + 1] : nil
            if value[index] == "\\", let next, next == "\"" || next == "\\" {
                // A string that ends with \" ends in a backslash.
                if next == "\"" && index + 2 == value.endIndex { return result + ["\\"] }
                result.append(next)
                index += 2
            } else {
                result.append(value[index])
                index += 1
            }
        }
        return nil
    }

    private static func decodeExtended(_ value: [Unicode.Scalar]) -> [UInt8]? {
        let pieces = value.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
        guard pieces.count == 3 else { return nil }
        var decoded: [UInt8] = []
        var index = pieces[2].startIndex
        while index < pieces[2].endIndex {
            guard pieces[2][index] == "%" else {
                decoded += bytes([pieces[2][index]])
                index += 1
                continue
            }
            let digits = pieces[2][(index + 1)...].prefix(2)
            guard digits.count == 2, digits.allSatisfy(\.properties.isASCIIHexDigit),
                let byte = UInt8(string(digits), radix: 16)
            else { return nil }
            decoded.append(byte)
            index += 3
        }
        switch string(pieces[0]).lowercased() {
        case "utf-8": return String(validating: decoded, as: UTF8.self) == nil ? nil : decoded
        case "iso-8859-1": return Array(string(decoded.map { Unicode.Scalar($0) }[...]).utf8)
        default: return nil
        }
    }

    private static func unescapeBrowser(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            switch String(decoding: bytes[index...].prefix(3), as: UTF8.self) {
            case "%22": result.append(0x22)
            case "%0D": result.append(0x0D)
            case "%0A": result.append(0x0A)
            default:
                result.append(bytes[index])
                index -= 2
            }
            index += 3
        }
        return result
    }

    private static func token(_ text: ArraySlice<Unicode.Scalar>) -> String? {
        let tchar = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
        let lower = string(text).lowercased()
        // Only ASCII characters are allowed: the Kelvin sign, for one, becomes ASCII in lower case.
        guard !text.isEmpty, text.allSatisfy(\.isASCII) else { return nil }
        return lower.unicodeScalars.allSatisfy(tchar.unicodeScalars.contains) ? lower : nil
    }

    private static func trim(_ text: ArraySlice<Unicode.Scalar>) -> ArraySlice<Unicode.Scalar> {
        let isContent = { (scalar: Unicode.Scalar) in scalar != " " && scalar != "\t" }
        guard let first = text.firstIndex(where: isContent), let last = text.lastIndex(where: isContent) else {
            return []
        }
        return text[first...last]
    }

    private static func string(_ text: ArraySlice<Unicode.Scalar>) -> String {
        var string = ""
        string.unicodeScalars.append(contentsOf: text)
        return string
    }

    private static func bytes(_ text: [Unicode.Scalar]) -> [UInt8] { text.map { UInt8($0.value & 0xFF) } }
}
