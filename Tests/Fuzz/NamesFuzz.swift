import UploadModel

@testable import UploadStore

/// A client's names: identifier, file name and relative path, separated by a byte that no text has (0xFF). The first
/// byte chooses the layout, and how often the file's name was taken. The invariant:
/// 1. A file name is accepted if, and only if, it obeys PROTOCOL.md, Parameters; a path if each of its components does.
/// 2. The path of the file has only plain components (`isPlain`), and does not begin with the store's own folder.
/// 3. A numbered name is another name, is plain, and has the same extension.
/// 4. The folder of the layout `identifier` decodes to the identifier, if that is short enough.
func fuzzNames(_ bytes: UnsafeRawBufferPointer) -> String? {
    let choice = bytes.first ?? 0
    let texts = bytes.dropFirst().split(separator: 0xFF, maxSplits: 2, omittingEmptySubsequences: false)
        .map { String(decoding: $0, as: UTF8.self) }
    let identifier = texts[0]
    let name = texts.count > 1 ? texts[1] : "name"
    let filename = try? FileName(name, parameter: "")
    if (filename != nil) != isLegal(Array(name.utf8)) {
        return "the file name is \(filename == nil ? "not " : "")taken"
    }
    if let filename {
        if !isPlain(Array(filename.text.utf8)) { return "the name on disk is \(filename.text)" }
        if !filename.original.utf8.elementsEqual(name.utf8) { return "the client's name became \(filename.original)" }
        if filename.isUnchanged != isPlain(Array(name.utf8)) {
            return "a plain name was changed, or another one wasn't"
        }
    }

    var path: RelativePath?
    if texts.count > 2 {
        path = try? RelativePath(texts[2], parameter: "")
        // Empty components and single dots mean nothing.
        let components = Array(texts[2].utf8).split(separator: UInt8(ascii: "/")).map(Array.init)
            .filter { $0 != Array(".".utf8) }
        let isGood =
            texts[2].utf8.count <= 4096 && (1...256).contains(components.count) && components.allSatisfy(isLegal)
        if (path != nil) != isGood { return "the path is \(path == nil ? "not " : "")taken" }
        if let path, path.components.map({ Array($0.original.utf8) }) != components {
            return "the path became \(path.original)"
        }
    }

    let isGood = (1...1024).contains(identifier.utf8.count) && !identifier.utf8.contains(0)
    let id = filename.flatMap { try? UploadID(identifier: identifier, filename: $0, parameter: "") }
    guard let filename else { return nil }
    if (id != nil) != isGood { return "the identifier is \(id == nil ? "not " : "")taken" }
    guard let id else { return nil }

    let layout = Layout.allCases[Int(choice) % Layout.allCases.count]
    guard let destination = try? Destination(id, relativePath: path, layout: layout) else {
        let first = path?.components.first?.text
        return layout == .tree && first == ".resumabled" ? nil : "the destination is refused"
    }
    let number = [0, 1, 9, 10, UInt64.max][Int(choice) / 8 % 5]
    let whole = destination.folders + [destination.filename.numbered(number)]
    for component in whole where !isPlain(Array(component.utf8)) { return "\(component) is in the way to the file" }
    if destination.folders.first == LocalStore.stateFolder { return "it leads into the store's own folder" }
    if destination.path(number) != whole.joined(separator: "/") { return "its path is \(destination.path(number))" }
    switch layout {
    case .flat:
        if !destination.folders.isEmpty { return "folders in the flat layout" }
    case .tree:
        if path != nil, destination.folders + [destination.filename.text] != path?.components.map(\.text) {
            return "the tree is \(destination.path(0))"
        }
    case .identifier:
        guard destination.folders.count == 1 else { return "folders \(destination.folders)" }
        let folder = Array(destination.folders[0].utf8)
        if folder.first == UInt8(ascii: ".") { return "the folder is hidden" }
        let isHashed = folder.count == 64 && identifier.utf8.count > 85
        if !isHashed, percentDecoded(folder) != Array(identifier.utf8) { return "the folder is of another identifier" }
    }
    return numberedIsWrong(filename, number)
}

/// A name that a client may send (PROTOCOL.md, Parameters).
func isLegal(_ name: [UInt8]) -> Bool {
    (1...4096).contains(name.count) && name != Array(".".utf8) && name != Array("..".utf8)
        && !name.contains(UInt8(ascii: "/"))
}

/// A name that a file may have in any folder on disk, and that leads nowhere else.
func isPlain(_ name: [UInt8]) -> Bool {
    guard (1...255).contains(name.count), name != Array(".".utf8), name != Array("..".utf8) else { return false }
    // C0 and DEL are single bytes, C1 are C2 80 to C2 9F.
    for (index, byte) in name.enumerated() {
        if byte < 0x20 || byte == 0x7F || byte == UInt8(ascii: "/") { return false }
        if byte == 0xC2, index + 1 < name.count, (0x80...0x9F).contains(name[index + 1]) { return false }
    }
    return true
}

private func numberedIsWrong(_ filename: FileName, _ number: UInt64) -> String? {
    let numbered = Array(filename.numbered(number).utf8)
    let original = Array(filename.text.utf8)
    guard number > 0 else { return numbered == original ? nil : "number 0 changes the name" }
    if numbered == original { return "number \(number) changes nothing" }
    if filename.numbered(number - 1).utf8.elementsEqual(numbered) { return "two numbers have one name" }
    guard let dot = original.lastIndex(of: UInt8(ascii: ".")), dot > 0, original.count - dot <= 32 else { return nil }
    return numbered.suffix(original.count - dot).elementsEqual(original[dot...]) ? nil : "the extension is lost"
}

/// The bytes behind the escapes of RFC 3986, section 2.1.
private func percentDecoded(_ bytes: [UInt8]) -> [UInt8] {
    var decoded: [UInt8] = []
    var index = 0
    while index < bytes.count {
        let digits = String(decoding: bytes[(index + 1)...].prefix(2), as: UTF8.self)
        if bytes[index] == UInt8(ascii: "%"), let byte = UInt8(digits, radix: 16) {
            decoded.append(byte)
            index += 3
        } else {
            decoded.append(bytes[index])
            index += 1
        }
    }
    return decoded
}
