import ArgumentParser
import FastCGI
import Glibc

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
        settings.checkStore(&report)
        settings.checkLimits(&report)
        print(report.lines.joined(separator: "\n"))
        if report.isHopeless { throw ExitCode.failure }
    }
}

/// What a check has found, in words.
struct CheckReport {
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
