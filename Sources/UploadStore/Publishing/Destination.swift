import Glibc
import UploadModel

/// Where a finished file is to lie below the root: folders on the way, then its name.
struct Destination: Sendable, Equatable {
    let folders: [String]
    let filename: FileName

    /// - Throws: `StoreError.nameReserved` if the client's words lead into the store's own folder.
    init(_ id: UploadID, relativePath: RelativePath?, layout: Layout) throws(StoreError) {
        let home = id.owner.directory?.components.map(\.text) ?? []
        switch layout {
        case .flat:
            folders = home
            filename = id.filename
        case .tree:
            let path = relativePath?.components ?? [id.filename]
            folders = home + path.dropLast().map(\.text)
            filename = path[path.count - 1]
        case .identifier:
            folders = home + [Destination.component(id.identifier)]
            filename = id.filename
        }
        if folders.first == LocalStore.stateFolder { throw .nameReserved }
    }

    /// The path below the root, with the number that the name got.
    func path(_ number: UInt64) -> String { (folders + [filename.numbered(number)]).joined(separator: "/") }

    /// The folder, opened step by step from the root, so that no link leads out of it; nil if it isn't there.
    func open(from root: any Directory) throws(FileError) -> (any Directory)? {
        var folder = root
        for name in folders {
            guard let next = try folder.existingFolder(name) else { return nil }
            folder = next
        }
        return folder
    }

    /// The same, and makes what is missing.
    func make(from root: any Directory) throws(FileError) -> any Directory {
        var folder = root
        for name in folders {
            folder = try folder.folder(name)
        }
        return folder
    }

    /// Removes the folders on the way that are empty.
    func removeFolders(from root: any Directory) {
        for depth in folders.indices.reversed() {
            var parent: (any Directory)? = root
            for name in folders[..<depth] { parent = (try? parent?.existingFolder(name)) ?? nil }
            try? parent?.removeFolder(folders[depth])
        }
    }

    /// Returns when the names on the way, and those in the folder, would survive a power cut. Also those that were there
    /// before: who made them may not have come as far as their sync.
    func sync(from root: any Directory) throws(FileError) {
        try root.sync()
        var folder = root
        for name in folders {
            guard let next = try folder.existingFolder(name) else {
                throw FileError(operation: "open", name: name, code: ENOENT)
            }
            try next.sync()
            folder = next
        }
    }

    /// An identifier as the name of a folder: bytes that a name can't have, or that would hide it, are written as in a
    /// URL (RFC 3986, 2.1); one that is still too long becomes its SHA-256.
    private static func component(_ identifier: String) -> String {
        var name = ""
        for (index, scalar) in identifier.unicodeScalars.enumerated() {
            let isPlain = !scalar.isControl && scalar != "/" && scalar != "%"
            if isPlain && !(index == 0 && scalar == ".") {
                name.unicodeScalars.append(scalar)
            } else {
                for byte in String(scalar).utf8 {
                    let digits = String(byte, radix: 16, uppercase: true)
                    name += "%" + (digits.count == 1 ? "0" : "") + digits
                }
            }
        }
        return name.utf8.count <= FileName.maximumLength ? name : sha256Hex(Array(identifier.utf8))
    }
}
