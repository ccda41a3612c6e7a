import Glibc
import Linux
import Synchronization
import TestSupport
import Testing

@testable import S3

@Suite("Credentials from services")
struct CredentialServiceTests {
    private let expected = Credentials(
        accessKey: "AKI", secretKey: "hidden-secret", sessionToken: "hidden-token", expires: 4_102_444_800)
    private let json = Answers.json(accessKey: "AKI")
    private let roles = "/latest/meta-data/iam/security-credentials/"

    private func load(_ source: some CredentialSource) throws -> Credentials { try source.load() }

    // MARK: - Container endpoints

    private func container(_ variables: [String: String]) throws -> ContainerEndpoint {
        let source = try ContainerEndpoint { variables[$0] }
        return try #require(source)
    }

    @Test("a container endpoint is asked with the token of a file, which is read each time, or of a variable")
    func containerToken() throws {
        let folder = try TemporaryFolder()
        try LoopbackService.run { [json] _ in
            ServiceReply(body: json)
        } _: { service throws in
            var variables = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": service.url + "/v1/credentials?id=7"]
            #expect(try load(container(variables)) == expected)
            variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Basic of a variable"
            #expect(try load(container(variables)) == expected)
            variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = folder.path + "/token"
            let source = try container(variables)
            for token in ["first", "second"] {
                try folder.write(Array("\(token)\n".utf8), to: "token")
                #expect(try load(source) == expected)
            }
            #expect(
                service.requests.map { "\($0.method) \($0.target)" }
                    == Array(repeating: "GET /v1/credentials?id=7", count: 4))
            #expect(
                service.requests.map { $0.headers["authorization"] } == [nil, "Basic of a variable", "first", "second"])
            for content in ["", " \n", "two\nlines", "two words"] {
                try folder.write(Array(content.utf8), to: "token")
                #expect(throws: CredentialsError.self) { try load(source) }
            }
            try folder.remove("token")
            #expect(
                throws: CredentialsError.unreadable(file: folder.path + "/token", reason: "No such file or directory")
            ) { try load(source) }
            #expect(service.requests.count == 4)
        }
    }

    @Test("a relative URI leads to ECS, and takes precedence")
    func relative() throws {
        let source = try container([
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1?a=b",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/",
        ])
        #expect(source.service.endpoint == Endpoint("http://169.254.170.2") && !source.service.usesProxy)
        #expect(source.path.text == "/v2/credentials/1?a=b")
        #expect(throws: CredentialsError.self) {
            try container(["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "@127.0.0.1/"])
        }
    }

    @Test(
        "only https leads to any host",
        arguments: [
            ("http://127.0.0.1", true), ("http://127.1.2.3:80/a", true), ("http://[::1]:1234/a", true),
            ("http://localhost/a", true), ("http://169.254.170.2/a", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true), ("http://[fd00:EC2:0::0:23]/v1", true),
            ("https://credentials.example/a?b", true), ("HTTPS://10.0.0.1", true),
            ("http://127.0.0.1.example.org/a", false), ("http://127.1/a", false), ("http://10.0.0.1/a", false),
            ("http://169.254.169.254/a", false), ("http://169.254.170.3/a", false), ("http://[fd00:ec2::24]/", false),
            ("http://credentials.example/", false), ("http://localhost.example/", false), ("http://0.0.0.0/", false),
            ("http://[::ffff:127.0.0.1]/", false), ("http://127.0.0.1@10.0.0.1/", false),
            ("http://127.0.0.1:x/", false), ("ftp://127.0.0.1/", false), ("127.0.0.1/a", false), ("http:/a", false),
            ("", false), ("http", false), ("http://127.0.0.1/a b", false), ("http://127.0.0.1/a#b", false),
            ("http://127.0.0.1/a\r\nb:c", false), ("http://", false),
        ])
    func allowed(_ url: String, _ isAllowed: Bool) {
        let source = try? container(["AWS_CONTAINER_CREDENTIALS_FULL_URI": url])
        #expect((source != nil) == isAllowed)
    }

    // MARK: - The metadata service

    private func metadata(_ url: String) throws -> MetadataService {
        let source = try MetadataService { $0 == "AWS_EC2_METADATA_SERVICE_ENDPOINT" ? url : nil }
        return try #require(source)
    }

    @Test("the metadata service is asked for a token, the role and its credentials")
    func metadata() throws {
        try LoopbackService.run { [json, roles] request in
            if request.method == "PUT" { return ServiceReply(body: "imds-token\n") }
            return ServiceReply(body: request.target == roles ? "a.role@x\nanother\n" : json)
        } _: { service throws in
            #expect(try load(metadata(service.url)) == expected)
            #expect(
                service.requests.map { "\($0.method) \($0.target)" } == [
                    "PUT /latest/api/token", "GET \(roles)", "GET \(roles)a.role@x",
                ])
            #expect(service.requests[0].headers["x-aws-ec2-metadata-token-ttl-seconds"] == "300")
            #expect(
                service.requests.map { $0.headers["x-aws-ec2-metadata-token"] } == [nil, "imds-token", "imds-token"])
        }
    }

    @Test("each step of the metadata service may fail", arguments: 0...2)
    func metadataSteps(_ failing: Int) throws {
        let replies: [(ServiceReply, String)] = [
            (ServiceReply(status: 404), "it answered 404"), (ServiceReply(status: 403), "it answered 403"),
            (ServiceReply(status: 302), "it answered 302"), (ServiceReply(body: ""), "its answer"),
            (ServiceReply(body: "<html>\nhidden"), "its answer"), (ServiceReply(body: "../../hidden"), "its answer"),
        ]
        for (reply, reason) in replies {
            // A token may be any text without white space.
            if failing == 0 && !reply.body.isEmpty { continue }
            try LoopbackService.run { [json, roles] request in
                switch request.target {
                case "/latest/api/token": failing == 0 ? reply : ServiceReply(body: "imds-token")
                case roles: failing == 1 ? reply : ServiceReply(body: "role")
                default: failing == 2 ? reply : ServiceReply(body: json)
                }
            } _: { service throws in
                let error = try #require(throws: CredentialsError.self) { try load(metadata(service.url)) }
                #expect("\(error)".hasPrefix("the metadata service at \(service.url) gave no credentials: \(reason)"))
                #expect(!"\(error)".contains("hidden"))
                #expect(service.requests.count == failing + 1)
            }
        }
    }

    @Test("the variables of the metadata service are followed")
    func metadataVariables() throws {
        func found(_ variables: [String: String]) throws -> String? {
            try MetadataService { variables[$0] }.map { "\($0.service.endpoint)" }
        }
        #expect(try found([:]) == "http://169.254.169.254")
        #expect(try found(["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"]) == "http://[fd00:ec2::254]")
        #expect(try found(["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1338/"]) == "http://127.0.0.1:1338")
        #expect(try found(["AWS_EC2_METADATA_DISABLED": "True"]) == nil)
        #expect(try found(["AWS_EC2_METADATA_DISABLED": "false"]) != nil)
        #expect(throws: CredentialsError.self) { try found(["AWS_EC2_METADATA_SERVICE_ENDPOINT": "127.0.0.1"]) }
        #expect(try !metadata("http://127.0.0.1").service.usesProxy)
    }

    @Test("a metadata service that does not answer is given up within seconds")
    func silence() throws {
        try LoopbackService.run({ _ in ServiceReply(delay: 3_500) }) { service throws in
            let began = MonotonicClock.milliseconds
            let error = try #require(throws: CredentialsError.self) { try load(metadata(service.url)) }
            #expect(MonotonicClock.milliseconds - began < 30_000)
            #expect("\(error)".contains("timed out"))
        }
    }

    @Test("so is one whose packets are dropped, as on a machine that has none")
    func dropped() throws {
        try LoopbackService.withoutAnswer { port in
            let began = MonotonicClock.milliseconds
            let error = try #require(throws: CredentialsError.self) {
                try load(metadata("http://127.0.0.1:\(port)"))
            }
            #expect(MonotonicClock.milliseconds - began < 30_000)
            // Both tries ended when there was no connection within a second.
            #expect(MonotonicClock.milliseconds - began >= 2_000)
            #expect("\(error)".contains("Connection timed out") || "\(error)".contains("Timeout was reached"))
        }
    }

    // MARK: - Web identities

    private func identity(_ url: String?, _ folder: TemporaryFolder, region: String = "eu-central-1") throws
        -> WebIdentity
    {
        var variables = [
            "AWS_WEB_IDENTITY_TOKEN_FILE": folder.path + "/token", "AWS_ROLE_ARN": "arn:aws:iam::12:role/a b&c",
        ]
        variables["AWS_ENDPOINT_URL_STS"] = url
        let source = try WebIdentity(region: region, certificates: "/ca") { [variables] in variables[$0] }
        return try #require(source)
    }

    @Test("a token service is asked with the token that the file has at that time")
    func webIdentity() throws {
        let folder = try TemporaryFolder()
        try LoopbackService.run { _ in
            ServiceReply(body: Answers.tokenService(accessKey: "AKI"))
        } _: { service throws in
            let source = try identity(service.url, folder)
            for token in ["ey.one", "ey.two=&+"] {
                try folder.write(Array("\(token)\n".utf8), to: "token")
                #expect(try load(source) == expected)
            }
            let form =
                "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A12%3Arole%2Fa%20b%26c"
                + "&RoleSessionName=resumabled&WebIdentityToken="
            #expect(service.requests.map(\.body) == [form + "ey.one", form + "ey.two%3D%26%2B"])
            #expect(service.requests.allSatisfy { $0.method == "POST" && $0.target == "/" })
            #expect(
                service.requests.allSatisfy { $0.headers["content-type"] == "application/x-www-form-urlencoded" })
        }
    }

    @Test("without a variable, the token service is that of AWS in the region")
    func tokenService() throws {
        let folder = try TemporaryFolder()
        #expect("\(try identity(nil, folder))" == "the token service at https://sts.eu-central-1.amazonaws.com")
        #expect(
            "\(try identity(nil, folder, region: "cn-north-1"))"
                == "the token service at https://sts.cn-north-1.amazonaws.com.cn")
        // The authorities that vouch for the engine do not vouch for AWS.
        #expect(try identity(nil, folder).service.certificates == nil)
        #expect(try identity("https://sts.example", folder).service.certificates == "/ca")
        #expect(throws: CredentialsError.self) { try identity("sts.example", folder) }
    }

    @Test("the errors of a token service have its code, and never the token")
    func tokenServiceErrors() throws {
        let folder = try TemporaryFolder()
        try folder.write(Array("hidden.token".utf8), to: "token")
        func document(_ code: String) -> String {
            "<ErrorResponse><Error><Type>Sender</Type><Code>\(code)</Code><Message>hidden.token</Message></Error>"
                + "<RequestId>1</RequestId></ErrorResponse>"
        }
        let replies: [(ServiceReply, String, requests: Int)] = [
            (ServiceReply(status: 403, body: document("AccessDenied")), "it answered 403 AccessDenied", 1),
            (
                ServiceReply(status: 400, body: document("IDPCommunicationError")),
                "it answered 400 IDPCommunicationError", 2
            ),
            (ServiceReply(status: 400, body: document("hidden.token")), "it answered 400", 1),
            (ServiceReply(status: 500, body: "hidden.token"), "it answered 500", 2),
            (ServiceReply(body: document("x")), "its answer is not that of a token service", 1),
            (ServiceReply(body: "<html>hidden.token</html>"), "its answer is not that of a token service", 1),
            (ServiceReply(body: "{}"), "its answer is not that of a token service", 1),
        ]
        for (reply, reason, count) in replies {
            try LoopbackService.run({ _ in reply }) { service throws in
                let error = try #require(throws: CredentialsError.self) { try load(identity(service.url, folder)) }
                #expect(error == .failed(service: "the token service at \(service.url)", reason: reason))
                #expect(service.requests.count == count, "\(reason)")
            }
        }
    }
}
