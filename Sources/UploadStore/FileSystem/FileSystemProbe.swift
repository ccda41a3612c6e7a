import CLinux
import Glibc
import Linux

/// An ability of a file system that the store uses.
package enum FileSystemAbility: CaseIterable, Sendable {
    /// Files can be created and written.
    case write
    /// Files and folders can be synced.
    case sync
    /// One opening of a file can lock ranges against another. Writers exclude each other so.
    case lock
    /// Space can be allocated in advance (fallocate(2)). A full disk then shows with an upload's first chunk.
    case reserve
    /// A file can be renamed atomically without replacing another (renameat2(2) with RENAME_NOREPLACE).
    case renameWithoutReplacing
    /// Files without a name can be created (O_TMPFILE).
    case namelessFile

    /// Whether the store needs it. For each of the others there is a fallback, which costs more or detects a full disk
    /// later.
    package var isNeeded: Bool {
        switch self {
        case .write, .sync, .lock: true
        case .reserve, .renameWithoutReplacing, .namelessFile: false
        }
    }
}

extension LinuxDirectory {
    /// Tries every ability on two small files, and removes them.
    ///
    /// - Returns: the abilities that are missing, and why.
    package func missingAbilities() -> [(ability: FileSystemAbility, cause: FileError)] {
        let names = (0..<2).map { "check.\(getpid()).\($0)" }
        defer { for name in names { try? remove(name) } }
        var missing: [(FileSystemAbility, FileError)] = []
        for ability in FileSystemAbility.allCases {
            do throws(FileError) {
                try attempt(ability, names)
            } catch {
                missing.append((ability, error))
                // The others would fail for the same reason.
                if ability == .write { break }
            }
        }
        return missing
    }

    private func attempt(_ ability: FileSystemAbility, _ names: [String]) throws(FileError) {
        let file = try create(names[0])
        switch ability {
        case .write: try withUnsafeBytes(of: UInt64(0)) { bytes throws(FileError) in try file.write(bytes, at: 0) }
        case .sync:
            try file.sync()
            try sync()
        case .lock:
            let other = try create(names[0])
            guard try file.lock(offset: 0, length: 1, wait: false), try !other.lock(offset: 0, length: 1, wait: false),
                try other.lock(offset: 1, length: 1, wait: false)
            else { throw FileError(operation: "lock ranges of", name: names[0], code: ENOTSUP) }
        case .reserve:
            guard try file.reserve(4096) else {
                throw FileError(operation: "reserve the space of", name: names[0], code: EOPNOTSUPP)
            }
        case .renameWithoutReplacing:
            // Not by `rename`, which has a fallback.
            try UploadStore.attempt("rename", names[0]) {
                linux_rename_no_replace(descriptor.number, names[0], descriptor.number, names[1])
            }
        case .namelessFile:
            let number = try UploadStore.attempt("create", "a nameless file") { linux_open_nameless(descriptor.number) }
            close(number)
        }
    }
}
