import Glibc
import UploadStore

extension Serve {
    /// Checks the folder of the finished files and of the unfinished uploads.
    func checkStore(_ report: inout CheckReport) {
        for finding in diagnoseStore() {
            switch finding {
            case .missing: checkParent(&report)
            case .notAFolder: report.mend("root: \(root) is no folder; choose another with --root")
            case .unusable(let cause):
                report.mend("root: \(cause); the server's user must be able to enter and write it")
            case .space(let free): checkSpace(free, &report)
            case .able(let folder): report.fine("folder: \(folder)")
            case .lacks(let ability, let folder, let cause): tell(ability, "\(folder): \(cause)", &report)
            case .otherFileSystem(let stateFolder):
                report.mend("\(stateFolder) is another file system than the root: unmount it")
            }
        }
        var status = stat()
        if stat(root, &status) == 0, status.st_mode & S_IWOTH != 0 {
            report.note("everybody may change what was uploaded: chmod o-w \(root)")
        }
    }

    /// The server makes its root if its parent lets it.
    private func checkParent(_ report: inout CheckReport) {
        var parent = root[...]
        repeat {
            parent = parent.lastIndex(of: "/").map { parent[..<$0] } ?? "."
        } while access(path(parent), F_OK) != 0
        if access(path(parent), W_OK | X_OK) == 0 {
            report.note("root: \(root) isn't there yet; the server will make it")
        } else {
            report.mend("root: \(root) isn't there and can't be made; make it, and give it to the server's user")
        }
    }

    private func path(_ path: Substring) -> String { path.isEmpty ? "/" : String(path) }

    private func checkSpace(_ free: UInt64, _ report: inout CheckReport) {
        let minimum = store.minFree.bytes
        if free > minimum {
            report.fine("space: \(free >> 20) MiB are free, \(minimum >> 20) MiB are to be left (--min-free)")
        } else {
            report.mend(
                "space: \(free >> 20) MiB are free and \(minimum >> 20) MiB are to be left (--min-free): "
                    + "no upload can be begun; make room")
        }
    }

    private func tell(_ ability: FileSystemAbility, _ text: String, _ report: inout CheckReport) {
        if !ability.isNeeded {
            report.note("\(text): the server does without, and \(ability.price)")
        } else if ability == .write {
            report.mend("\(text): give the folder to the server's user; its file system must be writable")
        } else {
            report.mend("\(text): choose another file system, such as ext4, XFS or Btrfs")
        }
    }
}

extension FileSystemAbility {
    /// What the store's second way costs.
    fileprivate var price: String {
        switch self {
        case .reserve: "a full disk shows in the middle of an upload"
        case .renameWithoutReplacing: "a file has two names for a moment"
        case .namelessFile: "a temporary file has a name for a moment"
        case .write, .sync, .lock: "nothing"
        }
    }
}
