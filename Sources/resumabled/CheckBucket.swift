import Glibc
import Linux
import S3
import UploadStore

extension BucketOptions {
    /// Checks whether the bucket and its engine can do what the object store needs.
    ///
    /// - Parameter expire: for how long an upload may be idle, in seconds; 0: for ever.
    func check(_ report: inout CheckReport, expire: UInt64) {
        let credentials: CredentialKeeper
        do throws(CredentialsError) { credentials = try findCredentials() } catch {
            report.fail("bucket: \(error); deploy/README.md says where credentials may be")
            return
        }
        report.ok("credentials: from \(credentials.source)")
        let buckets = buckets(credentials)
        checkFiles(&report)
        for bucket in buckets where !bucket.endpoint.isSecure && !bucket.endpoint.isLoopback {
            report.note("\(bucket.endpoint): without https, everybody on the way can read the files")
        }
        let test = EngineTest(buckets, prefix: folder, expire: expire) { UInt64(clamping: time(nil)) }
        for finding in test.run() { tell(finding, &report) }
    }

    private func checkFiles(_ report: inout CheckReport) {
        do throws(FileError) {
            _ = try LinuxDirectory.existing(spool).createNameless()
            report.ok("spool: \(spool)")
        } catch {
            report.fail("--spool: \(error); the server's user needs permission to write there")
        }
        if let s3Ca, access(s3Ca, R_OK) != 0 {
            report.fail("--s3-ca: cannot read \(s3Ca): \(String(cString: strerror(errno)))")
        }
        var status = stat()
        if let s3Credentials, stat(s3Credentials, &status) == 0, status.st_mode & (S_IROTH | S_IWOTH) != 0 {
            report.note("all users can use the credentials: chmod o= \(s3Credentials)")
        }
    }

    private func tell(_ finding: EngineFinding, _ report: inout CheckReport) {
        let about = finding.detail.map { " (\($0))" } ?? ""
        guard let shortcoming = finding.shortcoming else {
            report.ok("bucket: \(finding.ability)\(about)")
            return
        }
        let line = "bucket\(about): \(shortcoming.cause): \(shortcoming.remedy)"
        if finding.ability.isNeeded { report.fail(line) } else { report.note(line) }
    }
}
