import ArgumentParser
import Events
import Glibc
import Logging
import UploadStore

/// Options for events: who is told of finished files, and who is asked about new uploads.
struct EventOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A program to run for each finished file: facts in RESUMABLED_... and on standard input; status 0: done.",
            valueName: "program"))
    var onCompleteExec: String?

    @Option(
        help: ArgumentHelp(
            "An address to send a CloudEvent to for each finished file. An answer of 2xx confirms it.", valueName: "url"
        ))
    var onCompleteUrl: String?

    @Option(
        help: ArgumentHelp(
            "An address to ask before an upload begins: 2xx allows it, 4xx refuses it with the answer's text.",
            valueName: "url"))
    var onBeginUrl: String?

    @Option(
        help: ArgumentHelp(
            "Sign what is sent with the keys in this file, each whsec_... on a line of its own.", valueName: "file"))
    var eventKey: SecretFile?

    @Option(
        help: ArgumentHelp("The time limit for the program or the address (s, m, h).", valueName: "time"))
    var eventTimeout = TimeSpan(seconds: 30)

    func validate() throws {
        guard (1...3600).contains(eventTimeout.seconds) else {
            throw ValidationError("--event-timeout must be from 1s to 1h.")
        }
        if eventKey != nil && onCompleteUrl == nil && onBeginUrl == nil {
            throw ValidationError("--event-key needs --on-complete-url or --on-begin-url.")
        }
    }

    /// Returns the receivers of events.
    ///
    /// - Throws: `ValidationError` if a setting cannot work.
    func receivers() throws -> Dispatcher.Receivers {
        var receivers = Dispatcher.Receivers()
        if let program = onCompleteExec {
            var status = stat()
            guard program.hasPrefix("/"), access(program, X_OK) == 0, stat(program, &status) == 0,
                status.st_mode & S_IFMT == S_IFREG
            else {
                throw ValidationError("--on-complete-exec must be the absolute path of an executable program.")
            }
            receivers.program = (program, Int(eventTimeout.seconds))
        }
        receivers.site = try site(onCompleteUrl, "--on-complete-url", seconds: Int(eventTimeout.seconds))
        return receivers
    }

    /// Returns the hook that decides about new uploads; nil if there is none.
    func admissionHook(_ log: Logger, threads: Int) throws -> UploadAdmissionHook? {
        try site(onBeginUrl, "--on-begin-url", seconds: UploadAdmissionHook.seconds).map {
            UploadAdmissionHook($0, maximumWaiting: max(1, threads / 2), log: log)
        }
    }

    private func site(_ url: String?, _ option: String, seconds: Int) throws -> WebhookEndpoint? {
        guard let url else { return nil }
        guard let site = WebhookEndpoint(url: url, key: try eventKey?.webhookKey(), seconds: seconds) else {
            throw ValidationError("\(option) must be an address that begins with http:// or https://.")
        }
        return site
    }
}
