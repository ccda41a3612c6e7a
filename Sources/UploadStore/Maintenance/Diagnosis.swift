import Glibc

// The questions of `resumabled check` about a root, whether or not a store has been made there.

/// One thing that a diagnosis of a store's root has found.
package enum RootFinding: Sendable {
    /// There is no such folder.
    case missing
    /// Something else has the path.
    case notAFolder
    /// The folder cannot be used.
    case unusable(StoreCause)
    /// The file system has that many bytes left.
    case space(free: UInt64)
    /// The file system of a folder lacks an ability.
    case lacks(FileSystemAbility, folder: String, StoreCause)
    /// The file system of a folder has all abilities.
    case able(folder: String)
    /// The state folder, of that name, is on another file system than the root, so files cannot be published by
    /// renaming them.
    case otherFileSystem(stateFolder: String)
}

extension LocalStore {
    /// Examines a store's root. Makes nothing but two small files, which are gone afterwards.
    ///
    /// - Parameter path: the operator's path of the root.
    package static func diagnose(root path: String) -> [RootFinding] {
        let root: LinuxDirectory
        do throws(FileError) { root = try LinuxDirectory.existing(path) } catch {
            switch error.code {
            case ENOENT: return [.missing]
            case ENOTDIR: return [.notAFolder]
            default: return [.unusable(StoreCause(error))]
            }
        }
        var findings: [RootFinding] = []
        do throws(FileError) {
            findings.append(.space(free: try root.space().free))
            findings += examine(root, path)
            // The folder of unfinished uploads, if a server has made it.
            if let state = try root.existingFolder(stateFolder) as? LinuxDirectory {
                findings += examine(state, path + "/" + stateFolder)
                if try root.device() != state.device() { findings.append(.otherFileSystem(stateFolder: stateFolder)) }
            }
        } catch {
            findings.append(.unusable(StoreCause(error)))
        }
        return findings
    }

    private static func examine(_ folder: LinuxDirectory, _ path: String) -> [RootFinding] {
        let missing = folder.missingAbilities()
        if missing.isEmpty { return [.able(folder: path)] }
        return missing.map { .lacks($0.ability, folder: path, StoreCause($0.cause)) }
    }
}
