import Linux
import TestSupport
import Testing

@testable import S3

/// A bucket on a service that knows one access key at a time, and an endpoint that has it. They take the place of an
/// engine, so that the test chooses the codes of its answers. `test_bucket_credentials.py` has a real one.
@Suite("Calls with credentials that the engine refuses")
struct CredentialRetryTests {
    private final class Site: Sendable {
        /// The number of the key that the endpoint gives, that of the key that the engine accepts, and what the engine
        /// answers to the others.
        let state = Lock((given: 1, accepted: 1, status: 400, code: "ExpiredToken"))

        let rotates: Bool

        init(rotates: Bool) { self.rotates = rotates }

        func reply(_ request: ReceivedRequest) -> ServiceReply {
            let (given, accepted, status, code) = state.withLock { $0 }
            if request.target == "/credentials" {
                if rotates { state.withLock { $0.given += 1 } }
                return ServiceReply(body: Answers.json(accessKey: "AKI\(given)"))
            }
            guard request.headers["authorization"]?.contains("Credential=AKI\(accepted)/") == true else {
                let token = request.headers["x-amz-security-token"] ?? ""
                return ServiceReply(
                    status: status,
                    body:
                        "<Error><Code>\(code)</Code><Message>\(token) has ended</Message><Token-0>\(token)</Token-0></Error>"
                )
            }
            return ServiceReply(body: request.method == "GET" ? "the object" : "")
        }
    }

    /// - Parameter rotates: whether the endpoint gives another key each time. Time passes quickly then.
    private func run(rotates: Bool = false, _ work: (Site, LoopbackService, Bucket) throws -> Void) throws {
        let site = Site(rotates: rotates)
        let now = Lock<UInt64>(1_000_000)
        try LoopbackService.run({ site.reply($0) }) { service throws in
            let url = service.url
            let search = CredentialSearch(file: nil) {
                $0 == "AWS_CONTAINER_CREDENTIALS_FULL_URI" ? url + "/credentials" : nil
            }
            let keeper = try CredentialKeeper(
                search,
                now: {
                    now.withLock { now in
                        if rotates { now += 100 }
                        return now
                    }
                })
            let bucket = Bucket(
                "bucket", at: try #require(Endpoint(url)), region: "us-east-1", credentials: keeper)
            try work(site, service, bucket)
        }
    }

    /// The requests to the engine and to the endpoint, as one letter each.
    private func calls(_ service: LoopbackService) -> String {
        service.requests.map { $0.target == "/credentials" ? "c" : "e" }.joined()
    }

    @Test("a call is repeated once with others", arguments: S3Error.credentialCodes.sorted())
    func repeated(_ code: String) throws {
        try run { site, service, bucket throws in
            #expect(try bucket.get("key", atMost: 100) == Array("the object".utf8))
            site.state.withLock { $0 = (2, 2, code.hasPrefix("Expired") ? 400 : 403, code) }
            #expect(try bucket.get("key", atMost: 100) == Array("the object".utf8))
            #expect(calls(service) == "ceece")
            // The key that is known counts until it is refused.
            site.state.withLock { $0.given = 3 }
            _ = try bucket.put("key", Array("body".utf8), checksum: Checksum(.crc32c, of: Array("body".utf8)))
            #expect(calls(service) == "ceecee" && service.requests.last?.body == "body")
        }
    }

    @Test("a body is sent again, and an answer without a code may mean the same")
    func bodies() throws {
        try run { site, service, bucket throws in
            site.state.withLock { $0 = (2, 2, 400, "ExpiredToken") }
            let body = Array("body".utf8)
            _ = try bucket.put("key", body, checksum: Checksum(.crc32c, of: body))
            #expect(service.requests.filter { $0.method == "PUT" }.map(\.body) == ["body", "body"])
        }
        try run { site, service, bucket throws in
            site.state.withLock { $0 = (2, 2, 400, "ExpiredToken") }
            _ = try? bucket.head("key")
            #expect(calls(service) == "cece")
        }
    }

    @Test("if others are refused too, or there are none, the call fails with the engine's answer and no secret")
    func refused() throws {
        for given in [1, 2] {
            try run { site, service, bucket throws in
                site.state.withLock { $0 = (given, 9, 400, "ExpiredToken") }
                let error = try #require(throws: S3Error.self) { try bucket.get("key", atMost: 100) }
                guard case .denied(let cause) = error else {
                    Issue.record("\(error)")
                    return
                }
                #expect(cause.code == "ExpiredToken" && cause.tries == 1 && cause.message == "(the text has a secret)")
                #expect(!"\(error)".contains("hidden"))
                #expect(calls(service) == (given == 1 ? "cec" : "cece"))
            }
        }
    }

    @Test("whatever others there are, the call is repeated once")
    func once() throws {
        try run(rotates: true) { site, service, bucket throws in
            site.state.withLock { $0.accepted = 0 }
            let error = try #require(throws: S3Error.self) { try bucket.get("key", atMost: 100) }
            #expect(error.cause?.code == "ExpiredToken" && calls(service) == "cece")
            // The next call begins with those of the last one.
            #expect(throws: S3Error.self) { try bucket.get("key", atMost: 100) }
            #expect(calls(service) == "ceceece")
        }
    }

    @Test("another refusal is not a question of the credentials")
    func denied() throws {
        try run { site, service, bucket throws in
            site.state.withLock { $0 = (2, 2, 403, "AccessDenied") }
            #expect(throws: S3Error.self) { try bucket.get("key", atMost: 100) }
            #expect(calls(service) == "ce")
        }
    }

    @Test("without credentials a call fails as without an engine, after the usual tries")
    func none() throws {
        try run { site, service, _ throws in
            let now = Lock<UInt64>(1_000_000)
            let source = try #require(
                try ContainerEndpoint { $0 == "AWS_CONTAINER_CREDENTIALS_FULL_URI" ? "http://127.0.0.1:9/hidden" : nil }
            )
            let keeper = CredentialKeeper(
                source, Credentials(accessKey: "AKI1", secretKey: "s", expires: 1_000_000), now: { now.withLock { $0 } }
            )
            let bucket = Bucket(
                "bucket", at: try #require(Endpoint(service.url)), region: "us-east-1", credentials: keeper)
            let error = try #require(throws: S3Error.self) { try bucket.get("key", atMost: 100) }
            guard case .unreachable(let cause) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(cause.tries == 4 && cause.status == 0)
            #expect(cause.message.hasPrefix("the container endpoint at http://127.0.0.1:9 gave no credentials: "))
            #expect(!"\(error)".contains("hidden") && service.requests.count == 1)
        }
    }
}
