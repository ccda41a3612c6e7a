import ArgumentParser
import Events
import FastCGI
import Glibc
import Logging

/// `resumabled check`: tells whether `serve` would work with these settings.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check settings, folders, file system and limits.",
        discussion: """
            Takes the options and variables of `serve`. Run it as the server's user; it may run beside the server. \
            Each line begins with `ok`, `note` (the server works, but read it) or `FAIL` (the server cannot work, and \
            how to fix it). Changes nothing except for two small files in the root, which it removes. Ends with \
            status 1 if there is a `FAIL`.

            With --bucket it tests in place of a root whether a bucket and its engine can do what is needed to store \
            files there. It puts about 30 small objects below .resumabled/probe/ and removes them.
            """)

    @OptionGroup var settings: ServeOptions

    func validate() throws {
        guard settings.root != nil || settings.objects.bucket != nil else {
            throw ValidationError("Give --root or --bucket.")
        }
    }

    func run() throws {
        var report = CheckReport()
        settings.checkSettings(&report)
        settings.checkSocket(&report)
        if let root = settings.root {
            settings.checkStore(root, &report)
        } else {
            settings.objects.check(&report, expire: settings.store.expire.seconds)
        }
        settings.checkLimits(&report)
        print(report.lines.joined(separator: "\n"))
        if report.hasFailure { throw ExitCode.failure }
    }
}

/// The lines that a check prints.
struct CheckReport {
    private(set) var lines: [String] = []
    /// True if the server could not work.
    private(set) var hasFailure = false

    mutating func ok(_ text: String) { lines.append("ok    \(printable(text))") }
    /// The server would work, but the operator should know.
    mutating func note(_ text: String) { lines.append("note  \(printable(text))") }

    /// The server would not work.
    mutating func fail(_ text: String) {
        lines.append("FAIL  \(printable(text))")
        hasFailure = true
    }
}

extension ServeOptions {
    /// The parser has checked the options. This checks the files that they name, and variables that name no option.
    fileprivate func checkSettings(_ report: inout CheckReport) {
        do {
            try checkFiles()
            report.ok("settings")
        } catch {
            report.fail("settings: \(Check.message(for: error))")
        }
        for name in Environment.unknown(environmentVariables(), to: Check.self) {
            report.note("\(name) is set, but there is no such setting")
        }
        if geteuid() == 0 {
            report.note("this check runs as root, which may do everything; run it as the server's user")
        }
    }

    /// Makes of the settings what the server would make of them at its start.
    ///
    /// - Throws: why the server would not start.
    private func checkFiles() throws {
        _ = try uploadSettings()
        _ = try events.receivers()
        _ = try events.admissionHook(Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }, threads: threads)
    }

    /// Makes the socket and removes it again. Nothing else shows whether the server can.
    fileprivate func checkSocket(_ report: inout CheckReport) {
        do throws(ListenError) {
            if let socket {
                _ = try Listener(path: socket)
                report.ok("socket: \(socket)")
                checkFolder(of: socket, &report)
            } else if let listen {
                _ = try Listener(host: listen.host, port: listen.port)
                report.ok("address: \(listen.host), port \(listen.port)")
                report.note("a process that reaches this port can claim to be any client: let only nginx reach it")
            } else if Listener.inherited() != nil {
                report.ok("socket: inherited")
            } else {
                report.note("no --socket, no --listen: the server must inherit a socket, as from resumabled.socket")
            }
        } catch {
            switch error {
            case .inUse, .failed("listen on", _, EADDRINUSE): report.note("\(error), which is fine if it is the server")
            case .failed(_, _, EACCES), .failed(_, _, EPERM):
                report.fail("\(error): give the folder to the server's user, or choose another with --socket")
            case .failed(_, _, ENOENT): report.fail("\(error): make the folder, and give it to the server's user")
            case .notASocket: report.fail("\(error): remove it, or choose another path with --socket")
            default: report.fail("\(error)")
            }
        }
    }

    private func checkFolder(of socket: String, _ report: inout CheckReport) {
        let folder = socket.lastIndex(of: "/").map { String(socket[...$0]) } ?? "."
        var status = stat()
        guard stat(folder, &status) == 0 else { return }
        if status.st_mode & S_IWOTH != 0 && status.st_mode & S_ISVTX == 0 {
            report.note("all users may replace the socket: chmod o-w \(folder)")
        }
    }

    fileprivate func checkLimits(_ report: inout CheckReport) {
        let limit = OpenFiles.raiseLimit()
        // Threads that deliver events count too; settings that cannot work have been reported.
        let threads = threads + ((try? events.receivers().threads) ?? 0)
        let needed = OpenFiles.needed(threads: threads)
        if limit < needed {
            report.fail(
                "limits: \(limit) open files, \(threads) threads need \(needed); raise LimitNOFILE or lower --threads")
        } else {
            report.ok("limits: \(limit) open files, \(threads) threads need \(needed)")
        }
    }
}
