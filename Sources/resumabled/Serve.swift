public import ArgumentParser
import Events
import FastCGI
import Glibc
public import Logging
import Tokens
package import UploadModel
package import UploadService
import UploadStore

extension Logger.Level: @retroactive ExpressibleByArgument {}
extension MissingStatus: ExpressibleByArgument {}
extension LogFormat: ExpressibleByArgument {}

extension TypePolicy: ExpressibleByArgument {
    package init?(argument: String) {
        self.init(argument)
    }
}

/// `resumabled serve`: answers requests until a signal comes.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer requests until SIGTERM or SIGINT.",
        discussion: """
            Listens on --socket or --listen, or on an inherited socket: systemd's (LISTEN_FDS) or descriptor 0. \
            Finishes requests in flight before it ends. Each option has an environment variable: \
            RESUMABLED_MAX_FILE_SIZE sets --max-file-size.
            """)

    @Option(help: "The path of the Unix socket to listen on.")
    var socket: String?

    @Option(help: ArgumentHelp("The numeric address to listen on.", valueName: "address:port"))
    var listen: SocketAddress?

    @Option(help: "The folder of finished files. Unfinished ones are in .resumabled below it.")
    var root: String?

    @Option(help: "How many requests are answered at the same time (1 to 1024).")
    var threads = 8

    @OptionGroup
    var limits: LimitOptions

    @Option(
        help: ArgumentHelp(
            "The accepted types of files: extensions and media types, such as .pdf,video/*. Default: all.",
            valueName: "patterns"))
    var allowType: TypePolicy?

    @Flag(help: "Also check a file's first bytes to determine its type (with --allow-type).")
    var sniff = false

    @Option(
        help: ArgumentHelp(
            "Also accept uploads from pages of this origin, such as https://app.example.org; * for all. Repeatable.",
            valueName: "origin"))
    var allowOrigin: [String] = []

    @Option(
        help: ArgumentHelp(
            "The name of the form's part that holds the chunk (fileParameterName of Resumable.js).", valueName: "name"))
    var fileParameter = "file"

    @Option(
        help: ArgumentHelp(
            "The status of a missing chunk. 204 is for clients that give up on 404.",
            valueName: "404|204"))
    var missingStatus = MissingStatus.notFound

    @Option(
        help: ArgumentHelp(
            "Require upload tokens, signed with a key in this file.", valueName: "file"))
    var tokenKey: String?

    @Option(help: ArgumentHelp("The name of this server in tokens (aud).", valueName: "name"))
    var tokenAudience: String?

    @Option(
        help: ArgumentHelp(
            "By how much the token issuer's clock may differ (s, m, h).", valueName: "time"))
    var tokenLeeway = TimeSpan(seconds: 30)

    @Option(
        help: ArgumentHelp(
            "Let clients remove unfinished uploads with DELETE, by the token in this file.", valueName: "file"))
    var deleteToken: SecretFile?

    @OptionGroup
    var store: StoreOptions

    @OptionGroup
    var events: EventOptions

    @Option(help: ArgumentHelp("How long to wait for requests in flight before ending.", valueName: "seconds"))
    var stopTimeout = 30

    @Option(help: "The lowest level that is logged: \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).")
    var logLevel = Logger.Level.info

    @Option(help: ArgumentHelp("The format of the log, for people or for machines.", valueName: "text|json"))
    var logFormat = LogFormat.text

    func validate() throws {
        guard socket == nil || listen == nil else { throw ValidationError("Give --socket or --listen, not both.") }
        guard (1...1024).contains(threads) else { throw ValidationError("--threads must be from 1 to 1024.") }
        guard (0...3600).contains(stopTimeout) else { throw ValidationError("--stop-timeout must be from 0 to 3600.") }
        guard tokenKey != nil || tokenAudience == nil else {
            throw ValidationError("--token-audience needs --token-key.")
        }
        guard !sniff || allowType != nil else { throw ValidationError("--sniff needs --allow-type.") }
        for origin in allowOrigin {
            do throws(OriginError) { _ = try OriginPolicy(allowed: [origin]) } catch {
                throw ValidationError(
                    "--allow-origin needs an origin such as https://app.example.org, not \(origin): \(error).")
            }
        }
        guard (1...255).contains(fileParameter.utf8.count), !fileParameter.unicodeScalars.contains(where: \.isControl)
        else {
            throw ValidationError("--file-parameter must have 1 to 255 bytes and no control characters.")
        }
        guard root != "" else { throw ValidationError("--root must not be empty.") }
    }

    func run() throws {
        // `check`, which has the same options, can do without.
        guard let root else { throw ValidationError("Missing expected argument '--root <root>'") }
        _ = ProcessMetrics.started
        let log = logger()
        for name in Environment.unknown(environmentVariables(), to: Serve.self) {
            log.warning("unknown variable in the environment", metadata: ["name": "\(name)"])
        }
        // Threads inherit the signal mask, so no worker is interrupted: `attend` takes the signals.
        let signals = StopSignals()
        let manager = ServiceManager.current()
        let metrics = ProgramMetrics()
        let uploadLog = UploadLog(log)
        let receivers = try events.receivers()
        let dispatcher = Dispatcher(
            receivers, root: absolute(root), environment: environmentVariables(), log: log, tell: metrics.record)
        let store = try store(root, receivers, dispatcher, metrics, uploadLog, log)
        let service = UploadService(store: store, settings: try uploadSettings(), log: log) { report in
            uploadLog.record(report)
            metrics.record(report)
        }
        let operations = OperationsEndpoints(store: store, metrics: metrics, threads: threads, log: log)
        let listener = try listener()
        let responder = try Responder(
            listener, threads: threads, handler: Routes(uploads: service, operations: operations, metrics: metrics)
        ) { line in
            log.error("\(line)")
        }
        let maintenance = try MaintenanceThread(store, sweepEvery: sweepInterval) { failures in
            report(failures, as: "sweep failed", metrics, log)
        }
        if !dispatcher.start(store.outbox) { log.error("events are not delivered: cannot start their threads") }
        log.info("ready", metadata: ["root": "\(root)", "threads": "\(threads)"])
        manager.ready()

        let signal = attend(responder, manager, log, until: signals)
        manager.stopping()
        log.info("stopping", metadata: ["signal": "\(signal)"])
        let busy = responder.stop(within: stopTimeout)
        dispatcher.stop(within: min(stopTimeout, 2))
        let isSwept = maintenance.stop()
        if busy > 0 { log.warning("requests were cut off", metadata: ["count": "\(busy)"]) }
        log.info("stopped")
        if busy > 0 || !isSwept {
            // These threads still use the objects that a return would release.
            _ = consume listener
            _exit(busy > 0 ? 1 : 0)
        }
    }

    private func logger() -> Logger {
        var log = Logger(label: "resumabled") { _ in
            LineLogHandler(logFormat, metadataProvider: RequestName.provider)
        }
        log.logLevel = logLevel
        return log
    }

    /// Opens the store, has its events go to everything that follows them, and finishes what an earlier process left
    /// undone.
    private func store(
        _ root: String, _ receivers: Dispatcher.Receivers, _ dispatcher: Dispatcher, _ metrics: ProgramMetrics,
        _ uploadLog: UploadLog, _ log: Logger
    ) throws -> any ManagedStore & EventStore {
        let admissionHook = try events.admissionHook(log, threads: threads)
        let limiter = UploadLimiter(limits.quota)
        // A thread that delivers events needs as many files as one that answers requests.
        let (limit, working) = (OpenFiles.raiseLimit(), threads + receivers.threads)
        guard limit >= OpenFiles.needed(threads: working) else {
            throw ValidationError(
                "The limit of \(limit) open files is too low: \(working) threads need "
                    + "\(OpenFiles.needed(threads: working)). Raise it (LimitNOFILE, ulimit -n) or lower --threads.")
        }
        let openUploads = OpenFiles.uploads(limit: limit, threads: working)
        let store = try openStore(
            root, openUploads: openUploads, recipients: receivers.recipients,
            observe: { event in
                uploadLog.record(event)
                metrics.record(event)
                dispatcher.observe(event)
                limiter.record(event)
            },
            admit: { chunk, newFolders throws(StoreError) in
                // The limits come first: a client over one is not worth a request to the site.
                try limiter.admit(chunk, newFolders: newFolders)
                try admissionHook?.admit(chunk)
            })
        // The server starts all the same: clients wait, and their uploads go on when the trouble is over.
        do { try store.checkWritable() } catch {
            log.error("uploads are not accepted at the moment", metadata: ["root": "\(root)", "cause": "\(error)"])
        }
        report(store.recover(), as: "recovery failed", metrics, log)
        // The store holds the limiter in its observer, so the limiter must not hold the store.
        limiter.count { [weak store] in try? store?.uploadsUnderWay().map(\.id) }
        return store
    }

    /// Counts and logs failures of maintenance. On a storage that fails there may be one for each upload, so only the
    /// first few are logged.
    private func report(_ failures: [StoreError], as message: String, _ metrics: ProgramMetrics, _ log: Logger) {
        for failure in failures { metrics.record(failure) }
        for failure in failures.prefix(5) { log.error("\(message)", metadata: ["cause": "\(failure)"]) }
        if failures.count > 5 { log.error("\(message)", metadata: ["more": "\(failures.count - 5)"]) }
    }

    /// Returns the settings of the upload service.
    ///
    /// - Throws: why a file that an option names cannot be used.
    func uploadSettings() throws -> UploadSettings {
        UploadSettings(
            maximumFileSize: limits.maxFileSize.bytes, maximumChunkSize: limits.maxChunkSize.bytes,
            usesPaths: store.layout == .tree, fileParameter: fileParameter,
            parameters: limits.parameters, form: limits.form, origins: try OriginPolicy(allowed: allowOrigin),
            types: allowType, sniffer: sniff ? try ContentSniffer() : nil, missingStatus: missingStatus,
            authorization: try authorization())
    }

    private func authorization() throws -> Authorization {
        let keys = try tokenKey.map { try TokenKeys(path: $0) }
        let tokens = keys.map { TokenVerifier(keys: $0, audience: tokenAudience, leeway: tokenLeeway.seconds) }
        return Authorization(tokens: tokens, deleteToken: try deleteToken?.token()) { UInt64(time(nil)) }
    }

    /// Returns the absolute form of a path, for programs with another working directory.
    private func absolute(_ path: String) -> String {
        guard let full = realpath(path, nil) else { return path }
        defer { free(full) }
        return String(cString: full)
    }

    /// Tells the service manager that requests are still answered, until a signal comes.
    ///
    /// - Returns: the signal's number.
    private func attend(
        _ responder: Responder, _ manager: ServiceManager, _ log: Logger, until signals: StopSignals
    ) -> Int32 {
        while true {
            if let limit = manager.watchdogSeconds {
                if responder.isAlive(within: limit) {
                    manager.alive()
                } else {
                    log.critical("no thread has finished a request in time", metadata: ["seconds": "\(limit)"])
                }
            }
            // Twice in the watchdog's time, as sd_watchdog_enabled(3) advises.
            let pulse = manager.watchdogSeconds.map { max(1, $0 / 2) } ?? 3600
            switch signals.wait(seconds: pulse) {
            case .stop(let signal): return signal
            case .ignored(let signal): log.warning("signal ignored", metadata: ["signal": "\(signal)"])
            case nil: break
            }
        }
    }

    /// How long after a sweep the next one begins, in milliseconds. Uploads that were only half begun are swept even if
    /// nothing expires.
    private var sweepInterval: UInt64 {
        let expire = store.expire.seconds
        return (expire == 0 ? 3600 : min(max(expire / 8, 1), 3600)) * 1000
    }

    private func listener() throws -> Listener {
        if let socket { return try Listener(path: socket) }
        if let listen { return try Listener(host: listen.host, port: listen.port) }
        if let inherited = Listener.inherited() { return inherited }
        throw ValidationError("Nothing to listen on: give --socket or --listen, or start with a socket.")
    }
}
