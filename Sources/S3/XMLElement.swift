import CExpat

/// An element of an answer, with its text and the elements in it. Attributes are ignored; S3 has none that matter.
struct XMLElement {
    let name: String
    var text = ""
    var children: [XMLElement] = []

    /// The text of the first child with this name.
    subscript(_ name: String) -> String? { first(name)?.text }

    /// The first child with this name.
    func first(_ name: String) -> XMLElement? { children.first { $0.name == name } }

    /// All children with this name.
    func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }

    /// Parses a document.
    ///
    /// - Returns: its root; nil if it is not well-formed, has a DTD, or is nested more deeply than S3's answers are.
    static func parse(_ document: [UInt8]) -> XMLElement? {
        // While the engine works on a long call it may send spaces, which must not stand before an XML declaration.
        let document = document.drop { $0 <= 0x20 }
        guard let parser = XML_ParserCreate(nil), document.count <= Int32.max else { return nil }
        defer { XML_ParserFree(parser) }
        let builder = Builder(parser)
        XML_SetUserData(parser, Unmanaged.passUnretained(builder).toOpaque())
        XML_SetElementHandler(
            parser,
            { user, name, _ in Builder.of(user)?.begin(name) },
            { user, _ in Builder.of(user)?.end() })
        XML_SetCharacterDataHandler(parser) { user, bytes, count in Builder.of(user)?.add(bytes, count) }
        // Entities of a DTD can make a document grow without a limit.
        XML_SetStartDoctypeDeclHandler(parser) { user, _, _, _, _ in Builder.of(user)?.stop() }
        let status = document.withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { XML_Parse(parser, $0.baseAddress, Int32($0.count), 1) }
        }
        return withExtendedLifetime(builder) { status == XML_STATUS_OK ? builder.root : nil }
    }

    /// Collects what expat finds.
    private final class Builder {
        private static let deepest = 16

        var root: XMLElement?
        private var open: [(element: XMLElement, text: [UInt8])] = []
        private let parser: XML_Parser

        init(_ parser: XML_Parser) { self.parser = parser }

        static func of(_ user: UnsafeMutableRawPointer?) -> Builder? {
            user.map { Unmanaged<Builder>.fromOpaque($0).takeUnretainedValue() }
        }

        func stop() { XML_StopParser(parser, XML_Bool(XML_FALSE)) }

        func begin(_ name: UnsafePointer<CChar>?) {
            guard let name, open.count < Builder.deepest else { return stop() }
            // Without the prefix of a name space.
            let local = String(cString: name).split(separator: ":").last ?? ""
            open.append((XMLElement(name: String(local)), []))
        }

        func add(_ bytes: UnsafePointer<CChar>?, _ count: Int32) {
            guard !open.isEmpty else { return }
            open[open.count - 1].text += UnsafeRawBufferPointer(start: bytes, count: Int(count))
        }

        func end() {
            guard let (begun, text) = open.popLast() else { return }
            var element = begun
            element.text = String(decoding: text, as: UTF8.self)
            if open.isEmpty { root = element } else { open[open.count - 1].element.children.append(element) }
        }
    }

    /// Text in the form that a document may have it.
    static func escape(_ text: String) -> String {
        text.reduce(into: "") { escaped, character in
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            default: escaped.append(character)
            }
        }
    }
}
