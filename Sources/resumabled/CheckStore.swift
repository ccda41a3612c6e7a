import Glibc
import UploadModel
import UploadStore

extension ServeOptions {
    /// Checks the folder of the finished files and of the unfinished uploads.
    func checkStore(_ root: String, _ report: inout CheckReport) {
        for finding in diagnoseStore(root) {
            switch finding {
            case .missing: checkParent(of: root, &report)
            case .notAFolder: report.fail("root: \(root) is not a folder; choose another with --root")
            case .unusable(let cause):
                report.fail("root: \(cause); the server's user needs permission to enter and write it")
            case .space(let free): checkSpace(free, &report)
            case .able(let folder): report.ok("folder: \(folder)")
            case .lacks(let ability, let folder, let cause): tell(ability, "\(folder): \(cause)", &report)
            case .otherFileSystem(let stateFolder):
                report.fail("\(stateFolder) is on another file system than the root; unmount that")
            }
        }
        var status = stat()
        if stat(root, &status) == 0, status.st_mode & S_IWOTH != 0 {
            report.note("all users may change uploaded files: chmod o-w \(root)")
        }
    }

    /// The server makes its root if its parent lets it.
    private func checkParent(of root: String, _ report: inout CheckReport) {
        var parent = root[...]
        repeat {
            parent = parent.lastIndex(of: "/").map { parent[..<$0] } ?? "."
        } while access(path(parent), F_OK) != 0
        if access(path(parent), W_OK | X_OK) == 0 {
            report.note("root: \(root) does not exist yet; the server will make it")
        } else {
            report.fail("root: \(root) does not exist and cannot be made; make it and give it to the server's user")
        }
    }

    private func path(_ path: Substring) -> String { path.isEmpty ? "/" : String(path) }

    private func checkSpace(_ free: UInt64, _ report: inout CheckReport) {
        let minimum = store.minFree.bytes
        if free > minimum {
            report.ok("space: \(free >> 20) MiB free, \(minimum >> 20) MiB must stay free (--min-free)")
        } else {
            report.fail(
                "space: \(free >> 20) MiB free, \(minimum >> 20) MiB must stay free (--min-free): no upload can begin; "
                    + "free some space")
        }
    }

    /// - Parameter text: the folder, and why the ability is missing.
    private func tell(_ ability: FileSystemAbility, _ text: String, _ report: inout CheckReport) {
        if !ability.isNeeded {
            report.note("\(text): the server works without, but \(ability.price)")
        } else if ability == .write {
            report.fail("\(text): give the folder to the server's user; its file system must be writable")
        } else {
            report.fail("\(text): choose another file system, such as ext4, XFS or Btrfs")
        }
    }
}

extension FileSystemAbility {
    /// The cost of the store's fallback.
    fileprivate var price: String {
        switch self {
        case .reserve: "an upload may fail in the middle when the disk is full"
        case .renameWithoutReplacing: "a file has two names for a moment"
        case .namelessFile: "a temporary file has a name for a moment"
        case .write, .sync, .lock: "nothing"
        }
    }
}
