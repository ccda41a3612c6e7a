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
    /// - Throws: why the bucket cannot be used.
    func openStore(
        _ settings: StoreSettings, log: Logger, observe: @escaping StoreObserver, admit: @escaping Admission
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
            log.warning(
                "the bucket lacks an ability", metadata: ["cause": "\(lack.cause)", "remedy": "\(lack.remedy)"])
        }
        guard let checksum = test.checksum else {
            throw UnusableBucket(bucket: name, cause: "no checksum is enforced", remedy: "run resumabled check")
        }
        let completes = findings.contains { $0.ability == .completion && $0.shortcoming == nil }
        let scratch: LinuxDirectory
        do throws(FileError) {
            scratch = try LinuxDirectory.existing(spool)
            _ = try scratch.createNameless()
        } catch { throw UnusableSpool(cause: "\(error)") }
        return ObjectStore(
            S3Bucket(buckets, checksum: checksum, completesIfAbsent: completes), prefix: folder, settings: settings,
            scratch: scratch, now: { UInt64(clamping: time(nil)) }, observe: observe, admit: admit)
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
