import Glibc
import TestSupport
import Testing

@testable import S3

@Suite("Where credentials come from")
struct CredentialsTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        let text = """
            # A comment
            [default]
            aws_access_key_id = AKIDEFAULT
            aws_secret_access_key=secret=with/equals+sign

            [ build ]
            ; another
            AWS_ACCESS_KEY_ID\t=\tAKIBUILD
            aws_secret_access_key = other
            aws_session_token = token
            [half]
            aws_access_key_id = AKIHALF
            aws_secret_access_key =
            """
        try folder.write(Array(text.utf8), to: "credentials")
    }

    private var file: String { folder.path + "/credentials" }

    /// Without a metadata service, unless a variable names one.
    private func search(_ file: String?, _ variables: [String: String]) -> CredentialSearch {
        var variables = variables
        if variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] == nil { variables["AWS_EC2_METADATA_DISABLED"] = "true" }
        return CredentialSearch(file: file) { [variables] in variables[$0] }
    }

    private func find(_ file: String? = nil, _ variables: [String: String] = [:]) throws -> Credentials {
        try search(file, variables).find().credentials
    }

    @Test("the sections of a file are read, and AWS_PROFILE chooses one")
    func sections() throws {
        let first = Credentials(accessKey: "AKIDEFAULT", secretKey: "secret=with/equals+sign")
        #expect(try find(file) == first)
        let other = Credentials(accessKey: "AKIBUILD", secretKey: "other", sessionToken: "token")
        #expect(try find(file, ["AWS_PROFILE": "build"]) == other)
        #expect(try find(nil, ["AWS_SHARED_CREDENTIALS_FILE": file, "AWS_PROFILE": "build"]) == other)
        try folder.makeFolder(".aws")
        try folder.move("credentials", to: ".aws/credentials")
        #expect(try find(nil, ["HOME": folder.path]) == first)
    }

    /// Each source that there is, in the order in which AWS's tools ask them. All of them answer.
    @Test("of all sources, the first counts")
    func order() throws {
        try LoopbackService.run { request in
            switch request.target {
            case "/": ServiceReply(body: Answers.tokenService(accessKey: "AKIWEB"))
            case "/container": ServiceReply(body: Answers.json(accessKey: "AKICONTAINER"))
            case "/latest/api/token": ServiceReply(body: "imds")
            case "/latest/meta-data/iam/security-credentials/": ServiceReply(body: "role")
            default: ServiceReply(body: Answers.json(accessKey: "AKIMETADATA"))
            }
        } _: { service throws in
            try folder.write(Array("atoken".utf8), to: "token")
            var variables = [
                "AWS_ACCESS_KEY_ID": "AKIENV", "AWS_SECRET_ACCESS_KEY": "env", "AWS_SESSION_TOKEN": "t",
                "AWS_WEB_IDENTITY_TOKEN_FILE": folder.path + "/token", "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
                "AWS_ENDPOINT_URL_STS": service.url, "AWS_SHARED_CREDENTIALS_FILE": file,
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": service.url + "/container",
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": service.url, "AWS_PROFILE": "build",
            ]
            #expect(try find(file, variables).accessKey == "AKIBUILD")
            #expect(
                try find(nil, variables) == Credentials(accessKey: "AKIENV", secretKey: "env", sessionToken: "t"))
            variables["AWS_ACCESS_KEY_ID"] = nil
            variables["AWS_SECRET_ACCESS_KEY"] = nil
            #expect(try find(nil, variables).accessKey == "AKIWEB")
            variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = nil
            #expect(try find(nil, variables).accessKey == "AKIBUILD")
            variables["AWS_SHARED_CREDENTIALS_FILE"] = nil
            variables["AWS_PROFILE"] = nil
            #expect(try find(nil, variables).accessKey == "AKICONTAINER")
            variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = nil
            #expect(try find(nil, variables).accessKey == "AKIMETADATA")
            variables["AWS_EC2_METADATA_DISABLED"] = "true"
            #expect(throws: CredentialsError.self) { try find(nil, variables) }
        }
    }

    @Test("missing credentials are errors that name what is missing")
    func errors() {
        #expect(throws: CredentialsError.noProfile("none", file: file)) { try find(file, ["AWS_PROFILE": "none"]) }
        #expect(throws: CredentialsError.noEntry("aws_secret_access_key", profile: "half", file: file)) {
            try find(file, ["AWS_PROFILE": "half"])
        }
        #expect(throws: CredentialsError.unreadable(file: "/no/such/file", reason: "No such file or directory")) {
            try find("/no/such/file")
        }
        #expect(throws: CredentialsError.unreadable(file: folder.path, reason: "Is a directory")) {
            try find(folder.path)
        }
        #expect(throws: CredentialsError.half(set: "AWS_ACCESS_KEY_ID", missing: "AWS_SECRET_ACCESS_KEY")) {
            try find(nil, ["AWS_ACCESS_KEY_ID": "a", "AWS_SHARED_CREDENTIALS_FILE": file])
        }
        #expect(throws: CredentialsError.half(set: "AWS_SECRET_ACCESS_KEY", missing: "AWS_ACCESS_KEY_ID")) {
            try find(nil, ["AWS_SECRET_ACCESS_KEY": "a"])
        }
    }

    @Test("a source that is named counts alone: its failure does not lead to a later one")
    func named() throws {
        try LoopbackService.run({ _ in ServiceReply(body: Answers.json(accessKey: "AKICONTAINER")) }) {
            service throws in
            let container = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": service.url]
            for variables in [
                ["AWS_SHARED_CREDENTIALS_FILE": "/no/such/file"], ["AWS_SHARED_CREDENTIALS_FILE": folder.path],
                ["HOME": folder.path, "AWS_PROFILE": "none"],
                ["AWS_WEB_IDENTITY_TOKEN_FILE": "/no/such/file", "AWS_ROLE_ARN": "arn"],
                ["AWS_WEB_IDENTITY_TOKEN_FILE": file],
            ] {
                #expect(throws: CredentialsError.self) { try find(nil, container.merging(variables) { $1 }) }
            }
            // A role without a token file is not for this program.
            let role = container.merging(["AWS_ROLE_ARN": "arn"]) { $1 }
            #expect(try find(nil, role).accessKey == "AKICONTAINER")
            #expect(service.requests.count == 1)
        }
    }

    @Test("without any source, one sentence names all that were tried")
    func none() throws {
        let start = """
            there are no credentials: neither AWS_ACCESS_KEY_ID nor AWS_WEB_IDENTITY_TOKEN_FILE is set, \
            there is no \(folder.path)/.aws/credentials, neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor \
            AWS_CONTAINER_CREDENTIALS_FULL_URI is set, and
            """
        let home = ["HOME": folder.path]
        func message(_ variables: [String: String]) -> String {
            do { return "\(try find(nil, home.merging(variables) { $1 }))" } catch { return "\(error)" }
        }
        #expect(message([:]) == start + " AWS_EC2_METADATA_DISABLED is set")
        // Nothing listens there.
        let away = "the metadata service at http://127.0.0.1:9 gave no credentials: Failed to connect"
        #expect(message(["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"]).hasPrefix("\(start) \(away)"))
        // The file has no section that anybody has named.
        try folder.makeFolder(".aws")
        try folder.write(Array("[other]".utf8), to: ".aws/credentials")
        #expect(message([:]).contains("\(folder.path)/.aws/credentials has no section [default], neither"))
    }

    @Test("no description shows a secret or a token")
    func descriptions() throws {
        let credentials = Credentials(accessKey: "AKI", secretKey: "hidden", sessionToken: "hidden")
        let container = try #require(
            try ContainerEndpoint {
                [
                    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/AKI?hidden",
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "hidden",
                ][$0]
            })
        let values: [Any] = [
            credentials, [credentials], FixedCredentials(credentials: credentials, description: "here"),
            CredentialKeeper(credentials), Secret("hidden"), container,
        ]
        for value in values {
            var dumped = ""
            dump(value, to: &dumped)
            for text in ["\(value)", String(reflecting: value), "\([value])", dumped] {
                #expect(!text.contains("hidden"), "\(type(of: value))")
            }
        }
        #expect(
            "\(credentials)" == "credentials of AKI"
                && "\(container)" == "the container endpoint at http://169.254.170.2")
    }
}

/// Answers as real services give them.
enum Answers {
    /// 1 January 2100.
    static let lateTime = "2100-01-01T00:00:00Z"

    /// The answer of a container endpoint or of the metadata service.
    static func json(accessKey: String, expiration: String = lateTime) -> String {
        """
        {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "\(accessKey)", "SecretAccessKey": "hidden-secret",
        "Token": "hidden-token", "Expiration": "\(expiration)"}
        """
    }

    static func tokenService(accessKey: String) -> String {
        """
        <AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
        <AssumeRoleWithWebIdentityResult><Credentials><SessionToken>hidden-token</SessionToken>
        <SecretAccessKey>hidden-secret</SecretAccessKey><Expiration>\(lateTime)</Expiration>
        <AccessKeyId>\(accessKey)</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult>
        <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>
        """
    }

    /// Unix seconds in ISO 8601.
    static func iso(_ seconds: UInt64) -> String {
        let text = Array(Timestamp.compact(seconds))
        let parts = [text[0..<4], text[4..<6], text[6..<11], text[11..<13], text[13...]].map { String($0) }
        return "\(parts[0])-\(parts[1])-\(parts[2]):\(parts[3]):\(parts[4])"
    }
}
