import Glibc
import Linux
import Testing
import UploadStore

@testable import ObjectStore
@testable import S3

/// The engine that `Tests/EndToEnd/support/object_store.py` has started.
enum Engine {
    static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    static let isThere = variable("OBJECTS_ENDPOINT") != nil
    static let absence: Comment = "Tests/run objects starts an engine"

    /// Returns the bucket, directly or through the fault proxy.
    static func bucket(throughProxy: Bool = false) throws -> S3Bucket {
        let place = try #require(variable(throughProxy ? "OBJECTS_FAULTS" : "OBJECTS_ENDPOINT"))
        let bucket = Bucket(
            try #require(variable("OBJECTS_BUCKET")), at: try #require(Endpoint(place)), region: "us-east-1",
            credentials: try CredentialKeeper(CredentialSearch(file: nil, variable: variable), now: { 0 }))
        return S3Bucket([bucket], checksum: .crc32c, completesIfAbsent: true)
    }

    /// Returns a folder that no other test has. Every further bucket would take volumes of SeaweedFS.
    static func prefix() -> String { "store-tests/\(UInt64.random(in: .min ... .max).hexDigits)/" }
}
