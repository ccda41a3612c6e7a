import ArgumentParser
import FastCGI
import Glibc
import UploadStore

/// `resumabled check`: would `serve` with these settings work?
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check settings, folders, file system and limits, and say what to mend.",
        discussion: """
            Takes the options and variables of `serve`, and is to be run as the server's user, also beside a running \
            server. Changes nothing but for two small files in the root, which are gone afterwards. Ends with status 1 \
            if the server could not serve.
            """)

    @OptionGroup var settings: Serve

    func run() throws {
        var report = CheckReport()
        settings.checkSettings(&report)
        settings.checkSocket(&report)
        settings.checkRoot(&report)
        settings.checkLimits(&report)
        print(report.lines.joined(separator: "\n"))
        if report.isHopeless { throw ExitCode.failure }
    }
}

/// What a check has found, in words.
private struct CheckReport {
    private(set) var lines: [String] = []
    /// Whether something was found with which the server could not serve.
    private(set) var isHopeless = false

    mutating func fine(_ text: String) { lines.append("ok    \(printable(text))") }
    /// The server would serve, but somebody should know.
    mutating func note(_ text: String) { lines.append("note  \(printable(text))") }

    mutating func mend(_ text: String) {
        lines.append("MEND  \(printable(text))")
        isHopeless = true
    }
}

extension Serve {
    /// Parsing has seen to most of it; these are the files that settings name, and variables that name no setting.
    fileprivate func checkSettings(_ report: inout CheckReport) {
        do {
            _ = try uploadSettings()
            report.fine("settings")
        } catch {
            report.mend("settings: \(Check.message(for: error))")
        }
        for name in Environment.unknown(environmentVariables()) {
            report.note("\(name) is set and sets nothing: there is no such setting")
        }
        if geteuid() == 0 {
            report.note("run by root, who may do everything; run it as the server's user")
        }
    }

    /// The socket is really made, and removed again: nothing else shows whether it can be.
    fileprivate func checkSocket(_ report: inout CheckReport) {
        do throws(ListenError) {
            if let socket {
                _ = try Listener(path: socket)
                report.fine("socket: \(socket)")
                checkFolder(of: socket, &report)
            } else if let listen {
                _ = try Listener(host: listen.host, port: listen.port)
                report.fine("address: \(listen.host), port \(listen.port)")
                report.note("whoever reaches this port can claim to be any client: nobody but nginx may")
            } else if Listener.inherited() != nil {
                report.fine("socket: handed down")
            } else {
                report.note("no --socket, no --listen: the server needs a socket handed down, as by resumabled.socket")
            }
        } catch {
            switch error {
            case .inUse, .failed("listen on", _, EADDRINUSE): report.note("\(error): fine if that is the server")
            case .failed(_, _, EACCES), .failed(_, _, EPERM):
                report.mend("\(error): give the folder to the server's user, or choose another with --socket")
            case .failed(_, _, ENOENT): report.mend("\(error): make the folder, and give it to the server's user")
            case .notASocket: report.mend("\(error): remove it, or choose another path with --socket")
            default: report.mend("\(error)")
            }
        }
    }

    private func checkFolder(of socket: String, _ report: inout CheckReport) {
        let folder = socket.lastIndex(of: "/").map { String(socket[...$0]) } ?? "."
        var status = stat()
        guard stat(folder, &status) == 0 else { return }
        if status.st_mode & S_IWOTH != 0 && status.st_mode & S_ISVTX == 0 {
            report.note("everybody may remove the socket and put another there: chmod o-w \(folder)")
        }
    }

    fileprivate func checkRoot(_ report: inout CheckReport) {
        do throws(FileError) {
            let directory = try LinuxDirectory.existing(root)
            // Where an upload's own files are, if the server has been here.
            let state = try directory.existingFolder(LocalStore.stateFolder) as? LinuxDirectory
            try checkSpace(directory, &report)
            checkAbilities(directory, root, &report)
            if let state {
                checkAbilities(state, root + "/" + LocalStore.stateFolder, &report)
                checkDevice(directory, state, &report)
            }
        } catch {
            switch error.code {
            case ENOENT: checkParent(&report)
            case ENOTDIR: report.mend("root: \(root) is no folder; choose another with --root")
            default: report.mend("root: \(error); the server's user must be able to enter and write it")
            }
        }
        var status = stat()
        if stat(root, &status) == 0, status.st_mode & S_IWOTH != 0 {
            report.note("everybody may change what was uploaded: chmod o-w \(root)")
        }
    }

    /// The server makes its root, if it may.
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

    private func checkSpace(_ directory: LinuxDirectory, _ report: inout CheckReport) throws(FileError) {
        let free = try directory.space().free
        let floor = store.minFree
        if free > floor.bytes {
            report.fine("space: \(free >> 20) MiB are free, \(floor.bytes >> 20) MiB are to be left (--min-free)")
        } else {
            report.mend(
                "space: \(free >> 20) MiB are free and \(floor.bytes >> 20) MiB are to be left (--min-free): "
                    + "no upload can be begun; make room")
        }
    }

    private func checkAbilities(_ folder: LinuxDirectory, _ name: String, _ report: inout CheckReport) {
        let missing = folder.missingAbilities()
        for (ability, cause) in missing {
            let text = "\(name): \(cause)"
            if !ability.isNeeded {
                report.note("\(text): the server does without, and \(ability.price)")
            } else if ability == .write {
                report.mend("\(text): give the folder to the server's user; its file system must be writable")
            } else {
                report.mend("\(text): choose another file system, such as ext4, XFS or Btrfs")
            }
        }
        if missing.isEmpty { report.fine("folder: \(name)") }
    }

    /// Final names are given by a rename, and there is none from one file system to another.
    private func checkDevice(_ root: LinuxDirectory, _ state: LinuxDirectory, _ report: inout CheckReport) {
        do throws(FileError) {
            if try root.device() != state.device() {
                report.mend("\(LocalStore.stateFolder) is another file system than the root: unmount it")
            }
        } catch {
            report.mend("\(error)")
        }
    }

    fileprivate func checkLimits(_ report: inout CheckReport) {
        let limit = OpenFiles.raiseLimit()
        let needed = OpenFiles.needed(threads: threads)
        if limit < needed {
            report.mend(
                "limits: \(limit) open files, \(threads) threads need \(needed); raise LimitNOFILE or lower --threads")
        } else {
            report.fine("limits: \(limit) open files, \(threads) threads need \(needed)")
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
