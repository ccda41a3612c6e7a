public import ArgumentParser
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

/// The settings of the server: the options of `resumabled serve`, which `resumabled check` takes too.
struct ServeOptions: ParsableArguments {
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

    @OptionGroup(title: "Options of a bucket")
    var objects: BucketOptions

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
        if objects.bucket != nil { try validateForBucket() }
    }

    /// Refuses options that a store in a bucket cannot keep.
    private func validateForBucket() throws {
        guard root == nil else { throw ValidationError("Give --root or --bucket, not both.") }
        guard store.durability == .file else {
            throw ValidationError(
                "--durability chunk needs --root: in a bucket, every stored chunk is as durable as the engine makes it."
            )
        }
    }

    /// The root or the bucket, as a field of log lines.
    var place: Logger.Metadata {
        if let root { return ["root": "\(root)"] }
        return ["bucket": "\(objects.bucket ?? "")"]
    }

    /// The log, as the options want it.
    func logger() -> Logger {
        var log = Logger(label: "resumabled") { _ in
            LineLogHandler(logFormat, metadataProvider: RequestName.provider)
        }
        log.logLevel = logLevel
        return log
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

    /// Returns the socket that the options name, or the inherited one.
    ///
    /// - Throws: why there is none.
    func listener() throws -> Listener {
        if let socket { return try Listener(path: socket) }
        if let listen { return try Listener(host: listen.host, port: listen.port) }
        if let inherited = Listener.inherited() { return inherited }
        throw ValidationError("Nothing to listen on: give --socket or --listen, or start with a socket.")
    }
}
