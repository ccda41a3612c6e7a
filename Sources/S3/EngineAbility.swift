/// The abilities that the object store needs of an engine, in the order in which they are tested.
package enum EngineAbility: String, CaseIterable, Sendable, CustomStringConvertible {
    /// The endpoint answers, accepts the credentials and has the bucket.
    case reach
    /// The engine's clock and this machine's agree.
    case clock
    /// Every kind of call sees puts, replacements and deletions at once, at every endpoint.
    case consistency
    /// Keys with spaces, signs and letters of any script are kept as they are.
    case keys
    /// A missing object is told from a forbidden one.
    case missing
    /// A range of an object can be read.
    case ranges
    /// Several objects can be deleted with one call.
    case deletion
    /// `If-None-Match: *` keeps a PUT from replacing an object.
    case creation
    /// Of concurrent PUTs with `If-None-Match: *`, at any endpoints, one succeeds.
    case races
    /// A body with a wrong checksum is refused.
    case checksum
    /// Parts can be put, listed and made into an object.
    case multipart
    /// Metadata comes back, also with objects that were made of parts.
    case metadata
    /// An aborted multipart upload takes no more parts.
    case abortion
    /// `If-None-Match: *` also works for CompleteMultipartUpload.
    case completion
    /// The bucket keeps no old versions of objects.
    case versions
    /// No rule of the bucket removes unfinished uploads early.
    case lifecycle

    /// False if the object store works without.
    package var isNeeded: Bool {
        switch self {
        case .completion, .versions, .lifecycle: false
        default: true
        }
    }

    /// The finding if the test passes.
    package var description: String {
        switch self {
        case .reach: "the engine answers, and the bucket is there"
        case .clock: "its clock agrees with this machine's"
        case .consistency: "objects are seen at once as they were put, replaced or deleted"
        case .keys: "keys with spaces and other scripts are kept"
        case .missing: "a missing object is reported as missing"
        case .ranges: "ranges of objects can be read"
        case .deletion: "several objects can be deleted at once"
        case .creation: "an object is not replaced if that is not wanted (If-None-Match)"
        case .races: "of clients that create an object at the same time, one succeeds"
        case .checksum: "damaged bodies are refused"
        case .multipart: "multipart uploads work"
        case .metadata: "metadata is kept"
        case .abortion: "aborted multipart uploads take no more parts"
        case .completion: "completing a multipart upload does not replace an object if that is not wanted"
        case .versions: "the bucket keeps no old versions"
        case .lifecycle: "no rule of the bucket removes uploads early"
        }
    }

    /// Advice for the operator if the test fails.
    var remedy: String {
        switch self {
        case .reach: "check the endpoint, the bucket's name, the region and the credentials"
        case .clock: "synchronize the clocks of this machine and of the engine"
        case .consistency:
            "use an engine with strong consistency, and endpoints that lead to the same data without a cache in between"
        case .keys: "reach the engine without a proxy that changes paths or queries"
        case .missing: "allow s3:ListBucket; without it, a missing object looks like a forbidden one"
        case .ranges: "reach the engine without a proxy that removes the Range header, or use another engine"
        case .deletion: "allow s3:DeleteObject, or use an engine with DeleteObjects"
        case .creation:
            "use an engine and a release with conditional writes; see the list of engines in deploy/README.md"
        case .races:
            "use an engine and a release whose conditional writes exclude each other; until then two hosts could take "
                + "the same upload"
        case .checksum: "use an engine that checks x-amz-checksum-crc32c, x-amz-content-sha256 or Content-MD5"
        case .multipart: "use an engine with multipart uploads, and allow s3:ListMultipartUploadParts"
        case .metadata: "use an engine that keeps x-amz-meta- headers, and reach it without a proxy that removes them"
        case .abortion: "allow s3:AbortMultipartUpload, or use another engine"
        case .completion: "it works without, but another program must not put objects under this prefix"
        case .versions:
            "it works with them, but deleted objects go on taking space: add a rule that expires noncurrent versions, "
                + "or suspend versioning"
        case .lifecycle:
            "it works, but uploads that take longer fail: make the rule's time longer than --expire and a day"
        }
    }
}

/// The result of a test of an ability.
package struct EngineFinding: Sendable, Equatable {
    package let ability: EngineAbility
    /// Details of the finding, in addition to the ability; nil if there are none.
    package var detail: String?
    /// Why the engine lacks the ability, and what to do; nil if it has the ability.
    package var shortcoming: Shortcoming?

    package struct Shortcoming: Sendable, Equatable {
        package let cause: String
        package let remedy: String
    }
}
