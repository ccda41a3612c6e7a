import Glibc
import Linux
package import UploadModel

/// Where a finished file goes, below the root: folders and a name.
package struct Destination: Sendable, Equatable {
    package let folders: [String]
    package let filename: FileName

    /// - Throws: `StoreError.nameReserved` if the path leads into the store's own folder.
    package init(_ id: UploadID, relativePath: RelativePath?, layout: Layout) throws(StoreError) {
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

    /// The path below the root, with that number in its name.
    package func path(_ number: UInt64) -> String { (folders + [filename.numbered(number)]).joined(separator: "/") }

    /// Opens the folder, component by component so that no symbolic link is followed. Nil if there is none.
    ///
    /// - Throws: `FileError` that `isNotAFolder` also if it is the store's own folder.
    func open(from root: any Directory) throws(FileError) -> (any Directory)? {
        let (folder, missing) = try openExisting(from: root)
        return missing == 0 ? folder : nil
    }

    /// Opens the deepest of the folders that exists, in the same way.
    ///
    /// - Returns: that folder, and how many below it are missing.
    func openExisting(from root: any Directory) throws(FileError) -> (folder: any Directory, missing: Int) {
        try checkState(root)
        var folder = root
        for (depth, name) in folders.enumerated() {
            guard let next = try folder.existingFolder(name) else { return (folder, folders.count - depth) }
            folder = next
        }
        return (folder, 0)
    }

    /// Opens the folder, and creates the folders that are missing.
    func make(from root: any Directory) throws(FileError) -> any Directory {
        try checkState(root)
        var folder = root
        for name in folders {
            folder = try folder.folder(name)
        }
        return folder
    }

    private func checkState(_ root: any Directory) throws(FileError) {
        if try leadsIntoState(root) { throw FileError(operation: "open", name: folders[0], code: ENOTDIR) }
    }

    /// True if the first folder is the store's own one: a file system that ignores case finds that under other names.
    func leadsIntoState(_ root: any Directory) throws(FileError) -> Bool {
        guard let first = folders.first, let folder = try root.status(first), !folder.isRegular else { return false }
        return folder.inode == (try root.status(LocalStore.stateFolder))?.inode
    }

    /// Removes those of the folders that are empty.
    func removeFolders(from root: any Directory) {
        for depth in folders.indices.reversed() {
            var parent: (any Directory)? = root
            for name in folders[..<depth] { parent = (try? parent?.existingFolder(name)) ?? nil }
            try? parent?.removeFolder(folders[depth])
        }
    }

    /// Syncs the root and the folders, so that the file's name survives a power cut. Also folders that existed before:
    /// the process that created them may have died before it synced them.
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

    /// An identifier as the name of a folder. Characters that a name can't have, and a leading dot, are percent-encoded
    /// (RFC 3986, section 2.1). If the result is too long, the name is the identifier's SHA-256.
    private static func component(_ identifier: String) -> String {
        var name = ""
        for (index, scalar) in identifier.unicodeScalars.enumerated() {
            let isPlain = !scalar.isControl && scalar != "/" && scalar != "%"
            if isPlain && !(index == 0 && scalar == ".") {
                name.unicodeScalars.append(scalar)
            } else {
                for byte in String(scalar).utf8 {
                    name += "%" + byte.hexDigits.uppercased()
                }
            }
        }
        return name.utf8.count <= FileName.maximumLength ? name : sha256Hex(Array(identifier.utf8))
    }
}
