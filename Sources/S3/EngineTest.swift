import Linux

/// Finds out whether an engine can do what the object store needs, with about 150 small calls in a folder of its own.
///
/// No engine is trusted by its name. Some ignore `If-None-Match`, and some fail only if several clients create an
/// object at the same time, or at different endpoints. So the test races for objects through all endpoints.
///
/// The tests of single abilities are in `EngineTest+Objects.swift` and `EngineTest+Multipart.swift`.
package final class EngineTest {
    /// One for each endpoint of the same bucket. Not empty.
    let buckets: [Bucket]
    /// Ends with a slash or is empty.
    let prefix: String
    /// The keys of this test begin so. Another test at the same time has other keys.
    let folder: String
    /// For how long an upload may be idle, in seconds; 0: for ever.
    let expire: UInt64
    /// Unix seconds.
    let now: () -> UInt64
    private(set) var findings: [EngineFinding] = []
    /// The kind of checksum to use; nil until it is found.
    package internal(set) var checksum: ChecksumKind?

    /// Where the stores of all hosts keep what is not a finished file, below the prefix.
    package static let stateFolder = ".resumabled/"

    /// How far the clocks may be apart, in seconds. S3 refuses signatures that are 15 minutes old.
    static let clockTolerance: UInt64 = 300

    package init(_ buckets: [Bucket], prefix: String, expire: UInt64, now: @escaping () -> UInt64) {
        self.buckets = buckets
        self.prefix = prefix
        self.expire = expire
        self.now = now
        folder = "\(prefix)\(EngineTest.stateFolder)probe/\(UInt64.random(in: .min ... .max).hexDigits)/"
    }

    /// Runs all tests and removes what they have put.
    ///
    /// - Returns: a finding for each ability. If an endpoint cannot be reached, only that is among them.
    package func run() -> [EngineFinding] {
        guard testReach() else { return findings }
        testObjects()
        testMultiparts()
        cleanUp()
        return findings
    }

    /// The bucket at the first endpoint.
    var first: Bucket { buckets[0] }

    /// Records the finding of a test.
    ///
    /// - Parameter test: returns why the engine lacks the ability, or nil.
    func test(_ ability: EngineAbility, detail: () -> String? = { nil }, _ test: () throws(S3Error) -> String?) {
        do throws(S3Error) {
            record(ability, detail: detail, cause: try test(), remedy: ability.remedy)
        } catch {
            record(ability, detail: detail, cause: "\(error)", remedy: EngineTest.remedy(for: error) ?? ability.remedy)
        }
    }

    private func record(_ ability: EngineAbility, detail: () -> String?, cause: String?, remedy: String) {
        findings.append(
            EngineFinding(
                ability: ability, detail: cause == nil ? detail() : nil,
                shortcoming: cause.map { EngineFinding.Shortcoming(cause: $0, remedy: remedy) }))
    }

    /// Advice about an error that says more than the ability in whose test it occurred; nil if it says nothing.
    private static func remedy(for error: S3Error) -> String? {
        switch (error, error.cause?.code ?? "") {
        case (.unreachable(let cause), _) where cause.status == 0:
            "start the engine, or choose another --endpoint; a firewall or the certificate may be in the way"
        case (.unreachable, _): "the engine has trouble or is overloaded: look at its log, and try again"
        case (.denied, "NoSuchBucket"): "make the bucket, or choose another --bucket"
        case (.denied, let code) where S3Error.credentialCodes.contains(code):
            "the engine does not know these credentials: check them, and whether they belong to this endpoint"
        case (.denied, "RequestTimeTooSkewed"): EngineAbility.clock.remedy
        case (.denied, "AuthorizationHeaderMalformed"): "check --region"
        case (.denied(let cause), _) where (300..<400).contains(cause.status): "check --region and --endpoint"
        case (.denied, _): "give the credentials the permissions that deploy/README.md lists"
        default: nil
        }
    }

    private func testReach() -> Bool {
        for bucket in buckets {
            let count = findings.count
            test(.reach, detail: { "\(bucket.endpoint)" }) { () throws(S3Error) in
                _ = try bucket.list(prefix: folder, limit: 1)
                return nil
            }
            guard findings[count].shortcoming == nil else {
                // The cause does not name the endpoint, and there may be several.
                findings[count].detail = "\(bucket.endpoint)"
                return false
            }
        }
        return true
    }

    /// Removes what tests have left. A failure is not reported: a test of deletion has been made.
    private func cleanUp() {
        _ = try? first.delete(try first.list(prefix: folder).objects.map(\.key))
        for upload in (try? first.openMultiparts(prefix: folder)) ?? [] {
            try? first.abortMultipart(upload.key, upload: upload.id)
        }
    }
}
