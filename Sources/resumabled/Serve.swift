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

/// `resumabled serve`: answers requests until it is told to stop.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer requests until SIGTERM or SIGINT comes.",
        discussion: """
            Listens on --socket or --listen, or on a socket that it was started with: systemd's (LISTEN_FDS) or \
            descriptor 0. Requests in flight are finished before it ends. Each option may be set by a variable of the \
            environment instead: --max-file-size by RESUMABLED_MAX_FILE_SIZE.
            """)

    @Option(help: "The path of the Unix socket to listen on.")
    var socket: String?

    @Option(help: ArgumentHelp("A numeric address to listen on instead.", valueName: "address:port"))
    var listen: SocketAddress?

    @Option(help: "The folder for finished files; unfinished ones wait in .resumabled below it.")
    var root: String

    @Option(help: "How many requests are answered at the same time (1 to 1024).")
    var threads = 8

    @OptionGroup
    var limits: LimitOptions

    @Option(
        help: ArgumentHelp(
            "Which types of file are accepted: endings and media types, such as .pdf,video/*; all if left out.",
            valueName: "patterns"))
    var allowType: TypePolicy?

    @Flag(help: "Look at a file's first bytes, too, to tell its type (with --allow-type).")
    var sniff = false

    @Option(
        help: ArgumentHelp(
            "A page of this origin may upload, too, such as https://app.example.org; * for all. May be repeated.",
            valueName: "origin"))
    var allowOrigin: [String] = []

    @Option(
        help: ArgumentHelp(
            "The status that says that a chunk is missing, for clients that take 404 for the end of the file.",
            valueName: "404|204"))
    var missingStatus = MissingStatus.notFound

    @Option(
        help: ArgumentHelp(
            "Every request needs an upload token that was signed with a key in this file.", valueName: "file"))
    var tokenKey: String?

    @Option(help: ArgumentHelp("The name of this server in tokens (aud).", valueName: "name"))
    var tokenAudience: String?

    @Option(
        help: ArgumentHelp(
            "By how much the clock of who signs tokens may differ (s, m, h).", valueName: "time"))
    var tokenLeeway = TimeSpan(seconds: 30)

    @Option(
        help: ArgumentHelp(
            "Let clients give uploads up with DELETE that carry the token in this file.", valueName: "file"))
    var deleteToken: SecretFile?

    @OptionGroup
    var store: StoreOptions

    @OptionGroup
    var events: EventOptions

    @Option(help: ArgumentHelp("How long to wait for requests in flight before ending.", valueName: "seconds"))
    var stopTimeout = 30

    @Option(help: "What is logged: \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).")
    var logLevel = Logger.Level.info

    @Option(help: ArgumentHelp("How it is written: for people or for machines.", valueName: "text|json"))
    var logFormat = LogFormat.text

    func validate() throws {
        guard socket == nil || listen == nil else { throw ValidationError("Give --socket or --listen, not both.") }
        guard (1...1024).contains(threads) else { throw ValidationError("--threads must be from 1 to 1024.") }
        guard (0...3600).contains(stopTimeout) else { throw ValidationError("--stop-timeout must be from 0 to 3600.") }
        guard tokenKey != nil || tokenAudience == nil else {
            throw ValidationError("--token-audience needs --token-key.")
        }
        guard !sniff || allowType != nil else { throw ValidationError("--sniff needs --allow-type.") }
        if let wrong = allowOrigin.first(where: { !OriginPolicy.isOrigin($0) }) {
            throw ValidationError("--allow-origin needs an origin such as https://app.example.org, not \(wrong).")
        }
        guard !root.isEmpty else { throw ValidationError("--root must not be empty.") }
    }

    func run() throws {
        _ = ProcessMetrics.started
        let log = logger()
        for name in Environment.unknown(environmentVariables()) {
            log.warning("a variable that sets nothing", metadata: ["name": "\(name)"])
        }
        // Threads inherit the mask: no worker is ever interrupted, and one place takes the signals.
        let signals = StopSignals()
        let manager = ServiceManager.current()
        let metrics = ProgramMetrics()
        let uploadLog = UploadLog(log)
        let receivers = try events.receivers()
        let dispatcher = Dispatcher(
            receivers, root: absolute(root), environment: environmentVariables(), log: log, tell: metrics.record)
        let store = try store(receivers, dispatcher, metrics, uploadLog, log)
        let service = UploadService(store: store, settings: try uploadSettings(), log: log) { report in
            uploadLog.record(report)
            metrics.record(report)
        }
        let operations = OperationsEndpoints(store: store, metrics: metrics, threads: threads, log: log)
        let listener = try listener()
        let responder = try Responder(
            listener, threads: threads, handler: Routes(uploads: service, desk: operations, metrics: metrics)
        ) { line in
            log.error("\(line)")
        }
        if !dispatcher.start(store.outbox) { log.error("events are not delivered: there are not enough threads") }
        log.info("ready", metadata: ["root": "\(root)", "threads": "\(threads)"])
        manager.ready()

        let signal = attend(store, responder, manager, log, metrics, until: signals)
        manager.stopping()
        log.info("stopping", metadata: ["signal": "\(signal)"])
        let busy = responder.stop(within: stopTimeout)
        dispatcher.stop(within: min(stopTimeout, 2))
        if busy > 0 { log.warning("requests were cut off", metadata: ["count": "\(busy)"]) }
        log.info("stopped")
        if busy > 0 {
            // Their threads still use what would be torn down now.
            _ = consume listener
            _exit(1)
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
        _ receivers: Dispatcher.Receivers, _ dispatcher: Dispatcher, _ metrics: ProgramMetrics, _ uploadLog: UploadLog,
        _ log: Logger
    ) throws -> any ManagedStore & EventStore {
        let admissionHook = try events.admissionHook(log)
        let limiter = UploadLimiter(limits.quota)
        // A thread that delivers events needs as many files as one that answers requests.
        let openUploads = OpenFiles.uploads(
            limit: OpenFiles.raiseLimit(), threads: threads + receivers.threads)
        let store = try openStore(
            openUploads: openUploads, recipients: receivers.recipients,
            observe: { event in
                uploadLog.record(event)
                metrics.record(event)
                dispatcher.observe(event)
                limiter.record(event)
            },
            admit: { chunk throws(StoreError) in
                // The limits come first: a client over one is not worth a request to the site.
                try limiter.admit(chunk)
                try admissionHook?.admit(chunk)
            })
        for failure in store.recover() {
            log.error("recovery failed", metadata: ["cause": "\(failure)"])
            metrics.record(failure)
        }
        // The store holds the limiter in its observer, so the limiter must not hold the store.
        limiter.count { [weak store] in try? store?.uploadsUnderWay().map(\.id) }
        return store
    }

    /// - Throws: what is wrong with a file that a setting names.
    func uploadSettings() throws -> UploadSettings {
        UploadSettings(
            maximumFileSize: limits.maxFileSize.bytes, maximumChunkSize: limits.maxChunkSize.bytes,
            usesPaths: store.layout == .tree,
            parameters: limits.parameters, form: limits.form, origins: OriginPolicy(allowed: allowOrigin),
            types: allowType, sniffer: sniff ? try ContentSniffer() : nil, missingStatus: missingStatus,
            authorization: try authorization())
    }

    private func authorization() throws -> Authorization {
        let keys = try tokenKey.map { try TokenKeys(path: $0) }
        let tokens = keys.map { TokenVerifier(keys: $0, audience: tokenAudience, leeway: tokenLeeway.seconds) }
        return Authorization(tokens: tokens, deleteToken: try deleteToken?.token()) { UInt64(time(nil)) }
    }

    /// A path that still says the same to a program with another working folder.
    private func absolute(_ path: String) -> String {
        guard let full = realpath(path, nil) else { return path }
        defer { free(full) }
        return String(cString: full)
    }

    /// Sweeps the store now and then, and tells the service manager that requests are still answered, until a signal
    /// comes.
    ///
    /// - Returns: the signal's number.
    private func attend(
        _ store: any StoreMaintenance, _ responder: Responder, _ manager: ServiceManager, _ log: Logger,
        _ metrics: ProgramMetrics, until signals: StopSignals
    ) -> Int32 {
        var nextSweep = ContinuousClock.now
        while true {
            if ContinuousClock.now >= nextSweep {
                sweep(store, log, metrics)
                nextSweep = .now + sweepInterval
            }
            if let patience = manager.watchdogSeconds {
                if responder.isAlive(within: patience) {
                    manager.alive()
                } else {
                    log.critical("no thread has finished a request for long", metadata: ["seconds": "\(patience)"])
                }
            }
            let pause = max(.seconds(1), nextSweep - .now).components.seconds
            // Twice in the watchdog's time, as sd_watchdog_enabled(3) advises.
            let pulse = manager.watchdogSeconds.map { max(1, Int64($0) / 2) } ?? pause
            if let signal = signals.wait(seconds: Int(min(pause, pulse))) { return signal }
        }
    }

    private func sweep(_ store: any StoreMaintenance, _ log: Logger, _ metrics: ProgramMetrics) {
        for failure in store.sweep().failures {
            log.error("sweep failed", metadata: ["cause": "\(failure)"])
            metrics.record(failure)
        }
    }

    /// How long after a sweep the next one begins. Uploads that were only half begun are swept even if nothing expires.
    private var sweepInterval: Duration {
        let expire = store.expire.seconds
        return .seconds(expire == 0 ? 3600 : min(max(expire / 8, 1), 3600))
    }

    private func listener() throws -> Listener {
        if let socket { return try Listener(path: socket) }
        if let listen { return try Listener(host: listen.host, port: listen.port) }
        if let inherited = Listener.inherited() { return inherited }
        throw ValidationError("Nothing to listen on: give --socket or --listen, or start with a socket.")
    }
}
