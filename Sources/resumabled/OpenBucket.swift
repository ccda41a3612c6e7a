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
        return try openTested(settings, leaseSeconds: leaseSeconds, observe: observe, admit: admit) { lack in
            log.warning(
                "the bucket lacks an ability", metadata: ["cause": "\(lack.cause)", "remedy": "\(lack.remedy)"])
        }
    }

    /// Opens the store for a command that changes nothing, and so needs nothing of the engine that would be tested.
    ///
    /// - Throws: why the bucket cannot be used.
    func openForReading(_ settings: StoreSettings) throws -> any ManagedStore {
        // An engine that hangs up must not end the program.
        signal(SIGPIPE, SIG_IGN)
        return store(try buckets(), .crc32c, completes: false, settings, try scratch())
    }

    /// Opens the store after a test of its engine.
    ///
    /// - Parameters:
    ///   - leaseSeconds: twice as long as a delivery of an event takes at most.
    ///   - warn: receives what the engine lacks and can do without.
    /// - Throws: why the bucket cannot be used.
    func openTested(
        _ settings: StoreSettings, leaseSeconds: UInt64 = 120, observe: @escaping StoreObserver = { _ in },
        admit: @escaping Admission = { _, _ throws(StoreError) in },
        warn: (EngineFinding.Shortcoming) -> Void = { _ in }
    ) throws -> any ManagedStore {
        // An engine that hangs up must not end the program.
        signal(SIGPIPE, SIG_IGN)
        let buckets = try buckets()
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

/// The reason why the server does not start with its folder for chunks on their way.
private struct UnusableSpool: Error, CustomStringConvertible {
    let cause: String

    var description: String {
        "The folder of --spool cannot be used: \(cause). The server's user needs permission to write there."
    }
}
