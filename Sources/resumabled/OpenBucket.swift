import Glibc
import Linux
import Logging
import ObjectStore
import S3
import UploadModel
import UploadStore

extension BucketOptions {
    /// Opens the store in the bucket, after a test of its engine. No engine is trusted by its name: without working
    /// creates, two hosts could take the same upload.
    ///
    /// - Parameter eventSeconds: how long a delivery of an event takes at most.
    /// - Throws: why the bucket cannot be used.
    func openStore(
        _ settings: StoreSettings, eventSeconds: UInt64, log: Logger, observe: @escaping StoreObserver,
        admit: @escaping Admission
    ) throws -> any ManagedStore {
        // Host and engine may disagree about the time by a minute.
        let leaseSeconds = 2 * eventSeconds + 60
        let credentials = try usableCredentials { report in report.write(to: log) }
        log.info("credentials found", metadata: ["source": "\(credentials.source)"])
        return try openTested(
            settings, credentials, leaseSeconds: leaseSeconds, observe: observe, admit: admit
        ) { lack in
            log.warning(
                "the bucket lacks an ability", metadata: ["cause": "\(lack.cause)", "remedy": "\(lack.remedy)"])
        }
    }

    /// Opens the store for a command that changes nothing, and so needs nothing of the engine that would be tested.
    ///
    /// - Throws: why the bucket cannot be used.
    func openForReading(_ settings: StoreSettings) throws -> any ManagedStore {
        return store(buckets(try usableCredentials()), .crc32c, completes: false, settings, try scratch())
    }

    /// Opens the store after a test of its engine.
    ///
    /// - Parameters:
    ///   - credentials: nil: they are found first.
    ///   - leaseSeconds: twice as long as a delivery of an event takes at most.
    ///   - warn: receives what the engine lacks and can do without.
    /// - Throws: why the bucket cannot be used.
    func openTested(
        _ settings: StoreSettings, _ credentials: CredentialKeeper? = nil, leaseSeconds: UInt64 = 120,
        observe: @escaping StoreObserver = { _ in },
        admit: @escaping Admission = { _, _ throws(StoreError) in },
        warn: (EngineFinding.Shortcoming) -> Void = { _ in }
    ) throws -> any ManagedStore {
        let buckets = buckets(try credentials ?? usableCredentials())
        let name = bucket ?? ""
        let test = EngineTest(buckets, prefix: folder, expire: settings.expire) { UInt64(clamping: time(nil)) }
        let findings = test.run()
        for finding in findings {
            guard let lack = finding.shortcoming else { continue }
            guard !finding.ability.isNeeded else {
                throw UnusableBucket(bucket: name, cause: lack.cause, remedy: lack.remedy)
            }
            warn(lack)
        }
        guard let checksum = test.checksum else {
            throw UnusableBucket(bucket: name, cause: "no checksum is enforced", remedy: "run resumabled check")
        }
        let completes = findings.contains { $0.ability == .completion && $0.shortcoming == nil }
        return store(
            buckets, checksum, completes: completes, settings, try scratch(), leaseSeconds: leaseSeconds,
            observe: observe, admit: admit)
    }

    private func usableCredentials(
        report: @escaping @Sendable (CredentialReport) -> Void = { _ in }
    ) throws(UnusableCredentials) -> CredentialKeeper {
        do { return try findCredentials(report: report) } catch {
            throw UnusableCredentials(bucket: bucket ?? "", cause: error)
        }
    }

    private func scratch() throws -> LinuxDirectory {
        do throws(FileError) {
            let scratch = try LinuxDirectory.existing(spool)
            _ = try scratch.createNameless()
            return scratch
        } catch { throw UnusableSpool(cause: "\(error)") }
    }

    private func store(
        _ buckets: [Bucket], _ checksum: ChecksumKind, completes: Bool, _ settings: StoreSettings,
        _ scratch: LinuxDirectory, leaseSeconds: UInt64 = 120, observe: @escaping StoreObserver = { _ in },
        admit: @escaping Admission = { _, _ throws(StoreError) in }
    ) -> any ManagedStore {
        ObjectStore(
            S3Bucket(buckets, checksum: checksum, completesIfAbsent: completes), prefix: folder, settings: settings,
            scratch: scratch, leaseSeconds: leaseSeconds, now: { UInt64(clamping: time(nil)) }, observe: observe,
            admit: admit)
    }
}

/// The reason why the server does not start with its bucket.
private struct UnusableBucket: Error, CustomStringConvertible {
    let bucket: String
    let cause: String
    let remedy: String

    var description: String { "The bucket \(bucket) cannot be used: \(cause): \(remedy)." }
}

/// The reason why the server does not start without credentials for its bucket.
private struct UnusableCredentials: Error, CustomStringConvertible {
    let bucket: String
    let cause: CredentialsError

    var description: String {
        "The bucket \(bucket) cannot be used: \(cause). deploy/README.md says where credentials may be."
    }
}

extension CredentialReport {
    fileprivate func write(to log: Logger) {
        switch self {
        case .failed(let error):
            log.warning("the credentials cannot be renewed", metadata: ["cause": "\(error)"])
        case .ended(let error):
            log.error("the credentials have ended, and there are no new ones", metadata: ["cause": "\(error)"])
        case .renewed: log.info("the credentials are renewed")
        }
    }
}

/// The reason why the server does not start with its folder for chunks on their way.
private struct UnusableSpool: Error, CustomStringConvertible {
    let cause: String

    var description: String {
        "The folder of --spool cannot be used: \(cause). The server's user needs permission to write there."
    }
}
