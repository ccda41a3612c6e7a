import HTTP
import MultipartTestSupport

@testable import UploadModel

/// A request's parameters: the first line is the query string, each further one a form field, `name=value`. The first
/// byte chooses between a test and an upload, and how many parameters there may be. The invariant:
/// 1. The query string is read as the reference reads it, and again after it was written in its plainest form.
/// 2. Fields take precedence over the query; limits are enforced. Names are compared by their bytes.
/// 3. A request is accepted if, and only if, `ReferenceRequest` accepts it, and then has the same place.
func fuzzParameters(_ bytes: UnsafeRawBufferPointer) -> String? {
    let choice = bytes.first ?? 0
    let purpose: ChunkRequest.Purpose = choice & 1 == 0 ? .upload : .test
    let limits = choice & 2 == 0 ? ParameterLimits() : ParameterLimits(count: 6, bytes: 200)
    let lines = bytes.dropFirst().split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)

    // As FastCGI makes a string of it.
    let query = String(decoding: lines[0], as: UTF8.self)
    let pairs = try? QueryString.parse(query, maximumCount: limits.count)
    let expected = referenceQuery(Array(query.utf8), maximumCount: limits.count)
    guard pairs?.map({ Bytes(of: $0.name) }) == expected?.map(\.name),
        pairs?.map({ Bytes(of: $0.value) }) == expected?.map(\.value)
    else { return "the query is \(String(describing: pairs)) instead of \(String(describing: expected))" }
    guard let pairs, let expected else { return nil }
    let plain = expected.map { $0.name.percentEncoded + "=" + $0.value.percentEncoded }.joined(separator: "&")
    if (try? QueryString.parse(plain, maximumCount: limits.count)) != pairs { return "\(plain) says something else" }

    var parameters = Parameters(limits: limits)
    var reference = ReferenceParameters(limits: limits)
    for pair in pairs {
        let isAdded = (try? parameters.add(pair.name, pair.value, from: .query)) != nil
        if isAdded != reference.add(pair.name, Bytes(of: pair.value), toFields: false) {
            return "\(pair) is \(isAdded ? "" : "not ")added"
        }
        if !isAdded { return nil }
    }
    for line in lines.dropFirst() {
        let pieces = line.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        let (name, value) = (pieces[0], pieces.count > 1 ? pieces[1] : "")
        let isAdded = (try? parameters.add(name, value, from: .fields)) != nil
        if isAdded != reference.add(name, Bytes(of: value), toFields: true) {
            return "field \(name) is \(isAdded ? "" : "not ")added"
        }
        if !isAdded { return nil }
    }
    for (name, values) in reference.all where parameters[name.text].map(Bytes.init(of:)) != values[0] {
        return "\(name.text) is \(parameters[name.text] ?? "nothing") instead of \(values[0].text)"
    }

    let maximum: UInt64 = choice & 4 == 0 ? 1 << 40 : 5000
    let request = try? ChunkRequest(parameters, for: purpose, maximumFileSize: maximum)
    let right = ReferenceRequest(reference.all, isTest: purpose == .test, maximumFileSize: maximum)
    if (request != nil) != (right != nil) { return "the request is \(request == nil ? "not " : "")accepted" }
    guard let request, let right else { return nil }
    if !request.upload.identifier.utf8.elementsEqual(right.identifier.bytes) { return "another identifier" }
    if !request.upload.filename.original.utf8.elementsEqual(right.filename.bytes) { return "another file name" }
    if request.number != right.number { return "number \(request.number)" }
    switch (request.place, right.sizes) {
    case (.counted(let chunks), nil):
        if chunks < request.number { return "chunk \(request.number) of \(chunks)" }
    case (.sized(let total, let chunkSize, let layout), let sizes?):
        if total != sizes.total || chunkSize != sizes.chunkSize { return "other sizes" }
        if layout.offset != sizes.offset || Set(layout.lengths) != sizes.lengths {
            return "it lies at \(layout) instead of \(sizes)"
        }
        if layout.range.end > total { return "it ends behind the file" }
    default:
        return "place \(request.place)"
    }
    return nil
}

/// Text that is compared by its bytes. Swift's strings are equal if they are canonically equivalent in Unicode.
struct Bytes: Hashable, ExpressibleByStringLiteral {
    var bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }
    init(of text: String) { bytes = Array(text.utf8) }
    init(stringLiteral text: String) { self.init(of: text) }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    var percentEncoded: String {
        let digits = Array("0123456789abcdef".utf8)
        let encoded = bytes.flatMap { [UInt8(ascii: "%"), digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: encoded, as: UTF8.self)
    }
}

/// A simple reader for query strings; nil if it is invalid.
func referenceQuery(_ query: [UInt8], maximumCount: Int) -> [(name: Bytes, value: Bytes)]? {
    var pairs: [(name: Bytes, value: Bytes)] = []
    for pair in query.split(separator: UInt8(ascii: "&")) {
        let pieces = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            .map { referenceDecoded(Array($0)) }
        let (name, value) = (pieces[0], pieces.count > 1 ? pieces[1] : [])
        guard String(validating: name, as: UTF8.self) != nil, String(validating: value, as: UTF8.self) != nil else {
            return nil
        }
        pairs.append((Bytes(name), Bytes(value)))
    }
    return pairs.count <= maximumCount ? pairs : nil
}

private func referenceDecoded(_ bytes: [UInt8]) -> [UInt8] {
    let digits = Array("0123456789abcdef".utf8)
    func value(_ index: Int) -> Int? {
        guard index < bytes.count else { return nil }
        let isUpper = bytes[index] >= 0x41 && bytes[index] <= 0x46
        return digits.firstIndex(of: isUpper ? bytes[index] + 0x20 : bytes[index])
    }
    var decoded: [UInt8] = []
    var index = 0
    while index < bytes.count {
        if bytes[index] == UInt8(ascii: "%"), let high = value(index + 1), let low = value(index + 2) {
            decoded.append(UInt8(high * 16 + low))
            index += 3
        } else {
            decoded.append(bytes[index] == UInt8(ascii: "+") ? UInt8(ascii: " ") : bytes[index])
            index += 1
        }
    }
    return decoded
}

/// A request's parameters, by name.
struct ReferenceParameters {
    let limits: ParameterLimits
    var bytes = 0
    var count = 0
    var query: [Bytes: [Bytes]] = [:]
    var fields: [Bytes: [Bytes]] = [:]

    init(limits: ParameterLimits) { self.limits = limits }

    /// The values of each name, in order; those of the fields if there are any.
    var all: [Bytes: [Bytes]] { query.merging(fields) { $1 } }

    /// False if the parameter exceeds a limit.
    mutating func add(_ name: String, _ value: Bytes, toFields: Bool) -> Bool {
        bytes += name.utf8.count + value.bytes.count
        count += 1
        if bytes > limits.bytes || count > limits.count { return false }
        if toFields {
            fields[Bytes(of: name), default: []].append(value)
        } else {
            query[Bytes(of: name), default: []].append(value)
        }
        return true
    }
}

/// The rules of PROTOCOL.md, Parameters, each checked on its own.
struct ReferenceRequest {
    var identifier: Bytes
    var filename: Bytes
    var number: UInt64
    /// Nil if only the number of chunks is stated.
    var sizes: (total: UInt64, chunkSize: UInt64, offset: UInt64, lengths: Set<UInt64>)?

    /// When the file was last modified, if the client states it.
    var lastModified: UInt64?

    /// Nil if a rule is broken.
    ///
    /// - Parameter usesPath: false for a layout that ignores the relative path.
    init?(_ parameters: [Bytes: [Bytes]], isTest: Bool, maximumFileSize: UInt64, usesPath: Bool = true) {
        let dialect = ReferenceDialect(parameters)
        var isWrong = false
        /// A parameter that places the chunk, or its type: different values are an error.
        func text(_ word: String) -> Bytes? {
            guard let values = parameters[Bytes(of: dialect.name(word))] else { return nil }
            if Set(values).count > 1 { isWrong = true }
            return values[0]
        }
        func number(_ name: String, _ range: ClosedRange<UInt64>) -> UInt64? {
            guard let digits = text(name)?.bytes else { return nil }
            var value: UInt128 = 0
            for digit in digits.prefix(21) {
                if !(0x30...0x39).contains(digit) { isWrong = true }
                value = value * 10 + UInt128(digit & 15)
            }
            if digits.isEmpty || digits.count > 20 || value < range.lowerBound || value > range.upperBound {
                isWrong = true
            }
            return isWrong ? nil : UInt64(value)
        }
        guard let identifier = text("Identifier"), (1...1024).contains(identifier.bytes.count),
            !identifier.bytes.contains(0), let filename = text("Filename"), isLegal(filename.bytes)
        else { return nil }
        if let path = text("RelativePath")?.bytes, usesPath {
            let components = path.split(separator: UInt8(ascii: "/")).map(Array.init).filter { $0 != [0x2E] }
            if path.count > 4096 || components.count > 256 || !components.allSatisfy(isLegal) { return nil }
        }
        _ = (text("Type"), text("ChunkDigest"))
        if dialect.statesLastModified, let digits = text("LastModified")?.bytes, digits.count <= 20,
            digits.allSatisfy({ (0x30...0x39).contains($0) }),
            let value = UInt64(String(decoding: digits, as: UTF8.self)), value <= UInt64(Int64.max)
        {
            lastModified = value
        }
        self.identifier = identifier
        self.filename = filename
        let counted = number("ChunkNumber", dialect.first...0x7FFF_FFFE + dialect.first)
        let stated = counted.map { $0 + 1 - dialect.first }
        let count = number("TotalChunks", 0...0x7FFF_FFFF)
        let total = number("TotalSize", 0...UInt64(Int64.max))
        let chunkSize = number("ChunkSize", 1...1 << 40)
        let length = number("CurrentChunkSize", 0...1 << 41)
        if isWrong || (isTest && stated == nil) { return nil }
        if let total, total > maximumFileSize { return nil }
        self.number = stated ?? 1
        guard let total, let chunkSize else {
            guard let count, self.number <= count else { return nil }
            return
        }
        // Clients cut files in two ways: the last chunk includes the rest, or is the rest.
        let offset = UInt128(self.number - 1) * UInt128(chunkSize)
        var lengths: Set<UInt64> = []
        let (floor, ceiling) = (max(total / chunkSize, 1), max((total + chunkSize - 1) / chunkSize, 1))
        for count in [floor, ceiling] where self.number <= count {
            lengths.insert(self.number == count ? total - UInt64(offset) : chunkSize)
        }
        if let length {
            lengths.formIntersection([length])
        } else if stated != nil, count == self.number + 1, lengths.count == 2 {
            // Only with the second way there is a chunk after this one.
            lengths = [chunkSize]
        }
        if lengths.isEmpty { return nil }
        let beginning = dialect.statesOffset ? number("ChunkOffset", 0...UInt64(Int64.max)) : nil
        if isWrong || (beginning != nil && beginning != UInt64(offset)) { return nil }
        sizes = (total, chunkSize, UInt64(offset), lengths)
    }
}

/// The client's names for parameters (PROTOCOL.md, Dialects), recognized by the name of the identifier.
private struct ReferenceDialect {
    let name: (String) -> String
    /// The number of the first chunk.
    var first: UInt64 = 1
    /// Only Dropzone states a chunk's offset. With other clients this name is metadata.
    var statesOffset = false
    /// Dropzone does not state when the file was modified.
    var statesLastModified: Bool { !statesOffset }

    init(_ parameters: [Bytes: [Bytes]]) {
        let suffix = Array("resumableIdentifier".utf8)
        let prefixes = parameters.keys.map(\.bytes).filter { $0.suffix(suffix.count) == suffix[...] }
        if parameters["resumableIdentifier"] != nil {
            name = { "resumable" + $0 }
        } else if parameters["flowIdentifier"] != nil {
            name = { "flow" + $0 }
        } else if parameters["dzuuid"] != nil {
            let names = [
                "ChunkNumber": "dzchunkindex", "ChunkSize": "dzchunksize", "CurrentChunkSize": "dzcurrentchunksize",
                "TotalSize": "dztotalfilesize", "TotalChunks": "dztotalchunkcount", "Identifier": "dzuuid",
                "Filename": "dzfilename", "RelativePath": "fullPath", "ChunkOffset": "dzchunkbyteoffset",
                "Type": "dztype", "ChunkDigest": "dzchunkdigest",
            ]
            name = { names[$0] ?? "" }
            first = 0
            statesOffset = true
        } else if parameters["identifier"] != nil, parameters["chunkNumber"] != nil {
            name = { $0.prefix(1).lowercased() + $0.dropFirst() }
        } else if prefixes.count == 1 {
            let namespace = String(decoding: prefixes[0].dropLast(suffix.count), as: UTF8.self)
            name = { namespace + "resumable" + $0 }
        } else {
            name = { "resumable" + $0 }
        }
    }
}
