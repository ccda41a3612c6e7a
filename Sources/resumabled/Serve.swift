import ArgumentParser
import Events
import FastCGI
import Glibc
import Logging
import UploadService
import UploadStore

/// `resumabled serve`: answers requests until a signal comes.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer requests until SIGTERM or SIGINT.",
        discussion: """
            Listens on --socket or --listen, or on an inherited socket: systemd's (LISTEN_FDS) or descriptor 0. \
            Finishes requests in flight before it ends. Each option has an environment variable: \
            RESUMABLED_MAX_FILE_SIZE sets --max-file-size.
            """)

    @OptionGroup var options: ServeOptions

    func validate() throws {
        // `check`, which has the same options, can do without.
        guard options.root != nil || options.objects.bucket != nil else {
            throw ValidationError("Give --root or --bucket.")
        }
    }

    func run() throws {
        _ = ProcessMetrics.started
        let log = options.logger()
        for name in Environment.unknown(environmentVariables(), to: Serve.self) {
            log.warning("unknown variable in the environment", metadata: ["name": "\(name)"])
        }
        // Threads inherit the signal mask, so no worker is interrupted: `attend` takes the signals.
        let signals = StopSignals()
        let manager = ServiceManager.current()
        let metrics = ProgramMetrics()
        let uploadLog = UploadLog(log)
        let receivers = try options.events.receivers()
        let dispatcher = Dispatcher(
            receivers, root: options.root.map(absolute), environment: environmentVariables(), log: log,
            tell: metrics.record)
        let limiter = UploadLimiter(options.limits.quota)
        let store = try store(limiter, receivers, dispatcher, metrics, uploadLog, log)
        let service = UploadService(store: store, settings: try options.uploadSettings(), log: log) { report in
            uploadLog.record(report)
            metrics.record(report)
        }
        let operations = OperationsEndpoints(store: store, metrics: metrics, threads: options.threads, log: log)
        let maintenance = try maintenance(of: store, limiter, metrics, log)
        let listener: Listener
        do { listener = try options.listener() } catch {
            _ = maintenance.stop()
            throw error
        }
        let responder = try Responder(
            listener, threads: options.threads,
            handler: Routes(uploads: service, operations: operations, metrics: metrics)
        ) { line in
            log.error("\(line)")
        }
        if let events = store as? any EventStore, !dispatcher.start(events.outbox) {
            log.error("events are not delivered: cannot start their threads")
        }
        log.info("ready", metadata: options.place.merging(["threads": "\(options.threads)"]) { $1 })
        manager.ready()

        let signal = attend(responder, manager, log, until: signals)
        manager.stopping()
        log.info("stopping", metadata: ["signal": "\(signal)"])
        let busy = responder.stop(within: options.stopTimeout)
        dispatcher.stop(within: min(options.stopTimeout, 2))
        let isSwept = maintenance.stop()
        if busy > 0 { log.warning("requests were cut off", metadata: ["count": "\(busy)"]) }
        log.info("stopped")
        if busy > 0 || !isSwept {
            // These threads still use the objects that a return would release.
            _ = consume listener
            _exit(busy > 0 ? 1 : 0)
        }
    }

    /// Opens the store, and has its events go to everything that follows them.
    private func store(
        _ limiter: UploadLimiter, _ receivers: Dispatcher.Receivers, _ dispatcher: Dispatcher,
        _ metrics: ProgramMetrics, _ uploadLog: UploadLog, _ log: Logger
    ) throws -> any ManagedStore {
        let admissionHook = try options.events.admissionHook(log, threads: options.threads)
        // A thread that delivers events needs as many files as one that answers requests.
        let (limit, working) = (OpenFiles.raiseLimit(), options.threads + receivers.threads)
        guard limit >= OpenFiles.needed(threads: working) else {
            throw ValidationError(
                "The limit of \(limit) open files is too low: \(working) threads need "
                    + "\(OpenFiles.needed(threads: working)). Raise it (LimitNOFILE, ulimit -n) or lower --threads.")
        }
        let openUploads = OpenFiles.uploads(limit: limit, threads: working)
        let store = try options.openStore(
            openUploads: openUploads, recipients: receivers.recipients, log: log,
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
            log.error(
                "uploads are not accepted at the moment",
                metadata: options.place.merging(["cause": "\(error)"]) { $1 })
        }
        return store
    }

    /// Starts to recover and to sweep the store. Usually an earlier process has left nothing undone, and this returns
    /// when that is certain. Where there are very many journals, or large ones, requests are answered meanwhile: each
    /// finishes what it needs itself, and uploads of earlier processes count towards the limits a moment later.
    private func maintenance(
        of store: any ManagedStore, _ limiter: UploadLimiter, _ metrics: ProgramMetrics, _ log: Logger
    ) throws -> MaintenanceThread {
        let maintenance = try MaintenanceThread(store, sweepEvery: sweepInterval) {
            report(store.recover(), as: "recovery failed", metrics, log)
            // The store holds the limiter in its observer, so the limiter must not hold the store.
            limiter.count { [weak store] in try? store?.uploadsUnderWay().map(\.id) }
        } report: { failures in
            report(failures, as: "sweep failed", metrics, log)
        }
        if !maintenance.waitForBeginning(atMost: 2000) { log.info("requests are answered during the recovery") }
        return maintenance
    }

    /// Counts and logs failures of maintenance. On a storage that fails there may be one for each upload, so only the
    /// first few are logged.
    private func report(_ failures: [StoreError], as message: String, _ metrics: ProgramMetrics, _ log: Logger) {
        for failure in failures { metrics.record(failure) }
        for failure in failures.prefix(5) { log.error("\(message)", metadata: ["cause": "\(failure)"]) }
        if failures.count > 5 { log.error("\(message)", metadata: ["more": "\(failures.count - 5)"]) }
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
        let expire = options.store.expire.seconds
        return (expire == 0 ? 3600 : min(max(expire / 8, 1), 3600)) * 1000
    }
}
