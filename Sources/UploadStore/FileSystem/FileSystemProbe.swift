import CLinux
import Glibc
import Linux

/// What the store asks of a file system.
package enum FileSystemAbility: CaseIterable, Sendable {
    /// Files can be made and written.
    case write
    /// What is written can be made to survive a power cut.
    case sync
    /// Ranges of a file can be locked by one opening against another: writers shut each other out so.
    case lock
    /// Space can be reserved (fallocate(2)): a full disk shows with an upload's first chunk.
    case reserve
    /// A file can get a name that nothing else has, in one step (renameat2(2) with RENAME_NOREPLACE).
    case renameWithoutReplacing
    /// A file can be made without a name (O_TMPFILE).
    case namelessFile

    /// Whether the store can't do without it. For the others it knows a second way, which costs more or shows a full disk
    /// later.
    package var isNeeded: Bool {
        switch self {
        case .write, .sync, .lock: true
        case .reserve, .renameWithoutReplacing, .namelessFile: false
        }
    }
}

extension LinuxDirectory {
    /// Tries everything that the store does with files, with two small ones that are gone afterwards.
    ///
    /// - Returns: what doesn't work, and why.
    package func missingAbilities() -> [(ability: FileSystemAbility, cause: FileError)] {
        let names = (0..<2).map { "check.\(getpid()).\($0)" }
        defer { for name in names { try? remove(name) } }
        var missing: [(FileSystemAbility, FileError)] = []
        for ability in FileSystemAbility.allCases {
            do throws(FileError) {
                try attempt(ability, names)
            } catch {
                missing.append((ability, error))
                // The others would only say the same again.
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
            // Past `rename`, which has a second way.
            try UploadStore.attempt("rename", names[0]) {
                linux_rename_no_replace(descriptor.number, names[0], descriptor.number, names[1])
            }
        case .namelessFile:
            let number = try UploadStore.attempt("create", "a nameless file") { linux_open_nameless(descriptor.number) }
            close(number)
        }
    }
}
