import ArgumentParser
import Glibc
import S3
import UploadModel

extension Endpoint: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
}

/// How requests name the bucket.
enum PathStyle: String, CaseIterable, ExpressibleByArgument {
    case auto, yes, no
}

/// Options of an object store, in place of a folder.
struct BucketOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A bucket of an engine that speaks S3, in place of --root.", valueName: "name"))
    var bucket: String?

    @Option(
        help: ArgumentHelp(
            "Where the engine is reached, such as https://s3.example.org or http://127.0.0.1:8333. Repeatable, for "
                + "several endpoints of one engine. Default: AWS.", valueName: "url"))
    var endpoint: [Endpoint] = []

    @Option(help: ArgumentHelp("The engine's region. Default: AWS_REGION, or us-east-1.", valueName: "name"))
    var region: String?

    @Option(help: ArgumentHelp("The folder that the keys of all objects begin with.", valueName: "folder"))
    var prefix = ""

    @Option(
        help: ArgumentHelp(
            "The credentials, in AWS's format. Default: those that AWS's variables name, ~/.aws/credentials, or "
                + "those of the container's or the machine's role.", valueName: "file"))
    var s3Credentials: String?

    @Option(
        help: ArgumentHelp(
            "The certificate authorities that may vouch for the engine. Default: the system's.", valueName: "file"))
    var s3Ca: String?

    @Option(
        help: ArgumentHelp(
            "Whether requests name the bucket in the path, not in the host. auto: for all engines but AWS.",
            valueName: "auto|yes|no"))
    var s3PathStyle = PathStyle.auto

    @Option(
        help: ArgumentHelp(
            "The folder for chunks on their way to the bucket, in files without names.", valueName: "folder"))
    var spool = "/var/tmp"

    func validate() throws {
        guard let bucket else {
            let isAlone = endpoint.isEmpty && region == nil && prefix.isEmpty && s3Credentials == nil && s3Ca == nil
            guard isAlone && spool == "/var/tmp" else {
                throw ValidationError(
                    "--endpoint, --region, --prefix, --spool and the options that begin with --s3 need --bucket.")
            }
            return
        }
        guard BucketOptions.isBucketName(bucket) else {
            throw ValidationError(
                "--bucket must have 3 to 63 lower-case letters, digits, dots and hyphens, and begin and end with a "
                    + "letter or digit.")
        }
        guard BucketOptions.isFolder(prefix) else {
            throw ValidationError(
                "--prefix must have at most 512 bytes, no control characters, and no empty name, . or .. between slashes."
            )
        }
        guard isRegion(foundRegion) else {
            throw ValidationError("--region must have 1 to 64 letters, digits and hyphens.")
        }
    }

    private static func isBucketName(_ name: String) -> Bool {
        func isInside(_ byte: UInt8) -> Bool { isEnd(byte) || byte == 0x2d || byte == 0x2e }
        func isEnd(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte) }
        return (3...63).contains(name.utf8.count) && name.utf8.allSatisfy(isInside)
            && [name.utf8.first, name.utf8.last].allSatisfy { $0.map(isEnd) == true }
    }

    private static func isFolder(_ prefix: String) -> Bool {
        let names = prefix.split(separator: "/", omittingEmptySubsequences: false)
        // One slash at the end is no name.
        let inner = names.last == "" ? names.dropLast() : names[...]
        return prefix.utf8.count <= 512 && !prefix.unicodeScalars.contains(where: \.isControl)
            && inner.allSatisfy { !["", ".", ".."].contains($0) }
    }

    private func isRegion(_ region: String) -> Bool {
        (1...64).contains(region.utf8.count)
            && region.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d: true
                default: false
                }
            }
    }

    private var foundRegion: String { region ?? Environment.value("AWS_REGION") ?? "us-east-1" }

    /// The prefix with a slash at its end, unless it is empty.
    var folder: String { prefix.isEmpty || prefix.hasSuffix("/") ? prefix : prefix + "/" }

    /// Finds the credentials. That may take seconds.
    ///
    /// - Parameter report: receives later news of them for an operator.
    /// - Throws: why there are none.
    func findCredentials(
        report: @escaping @Sendable (CredentialReport) -> Void = { _ in }
    ) throws(CredentialsError) -> CredentialKeeper {
        // An engine or a service that hangs up must not end the program.
        signal(SIGPIPE, SIG_IGN)
        let search = CredentialSearch(
            file: s3Credentials, region: foundRegion, certificates: s3Ca, variable: Environment.value)
        return try CredentialKeeper(search, now: { UInt64(clamping: time(nil)) }, report: report)
    }

    /// Returns the bucket at each of its endpoints; none without `--bucket`.
    func buckets(_ credentials: CredentialKeeper) -> [Bucket] {
        guard let bucket else { return [] }
        let endpoints = endpoint.isEmpty ? [Endpoint.aws(region: foundRegion)].compactMap { $0 } : endpoint
        let style: Endpoint.Style? =
            switch s3PathStyle {
            case .auto: nil
            case .yes: .path
            case .no: .host
            }
        return endpoints.map { endpoint in
            Bucket(
                bucket, at: endpoint, style: style, region: foundRegion, credentials: credentials, certificates: s3Ca)
        }
    }
}
