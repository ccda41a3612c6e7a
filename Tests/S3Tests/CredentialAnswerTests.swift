import Testing

@testable import S3

/// The answers of services, as bytes that came over a real connection.
@Suite("Answers with credentials")
struct CredentialAnswerTests {
    private func error(_ reply: ServiceReply) throws -> String {
        try LoopbackService.run({ _ in reply }) { service throws in
            let source = try #require(
                try ContainerEndpoint { $0 == "AWS_CONTAINER_CREDENTIALS_FULL_URI" ? service.url : nil })
            let start = "the container endpoint at \(service.url) gave no credentials: "
            let error = try #require(throws: CredentialsError.self) { try source.load() }
            #expect("\(error)".hasPrefix(start))
            return String("\(error)".dropFirst(start.count))
        }
    }

    @Test("answers that make no sense are errors that say why")
    func bad() throws {
        let expectations: [(String, String)] = [
            ("<html>hidden</html>", "its answer is not a JSON object"),
            ("", "its answer is not a JSON object"), ("[]", "its answer is not a JSON object"),
            (#"{"AccessKeyId": "AKI", "Secr"#, "its answer is not a JSON object"),
            (#"{"AccessKeyId": "A", "AccessKeyId": "B"}"#, "its answer is not a JSON object"),
            ("{}", "its answer has no AccessKeyId"),
            (#"{"AccessKeyId": 7}"#, "its answer has no AccessKeyId"),
            (#"{"AccessKeyId": "AKI"}"#, "its answer has no SecretAccessKey"),
            (#"{"AccessKeyId": "AKI", "SecretAccessKey": ""}"#, "its answer has no SecretAccessKey"),
            (#"{"AccessKeyId": "A KI", "SecretAccessKey": "hidden"}"#, "its answer has an unusable AccessKeyId"),
            (#"{"AccessKeyId": "AKI", "SecretAccessKey": "hid\r\nden"}"#, "its answer has an unusable SecretAccessKey"),
            (
                #"{"AccessKeyId": "AKI", "SecretAccessKey": "hidden", "Token": "hid\nden"}"#,
                "its answer has an unusable session token"
            ),
            (
                #"{"AccessKeyId": "AKI", "SecretAccessKey": "hidden", "Expiration": "tomorrow"}"#,
                "its answer has an unusable Expiration"
            ),
            (#"{"Code": "AssumeRoleUnauthorizedAccess"}"#, "its answer is AssumeRoleUnauthorizedAccess"),
            (#"{"Code": "hidden 7"}"#, "its answer is no success"),
        ]
        for (body, reason) in expectations { #expect(try error(ServiceReply(body: body)) == reason, "\(body)") }
    }

    @Test("statuses are named, with a code and without anything else of the answer")
    func statuses() throws {
        #expect(try error(ServiceReply(status: 404, body: "hidden")) == "it answered 404")
        #expect(
            try error(ServiceReply(status: 401, body: #"{"code": "NoToken", "message": "hidden"}"#))
                == "it answered 401 NoToken")
        #expect(try error(ServiceReply(status: 500, body: "<html>hidden</html>")) == "it answered 500")
        #expect(try error(ServiceReply(status: 400, body: #"{"code": "hidden.text"}"#)) == "it answered 400")
    }

    @Test("answers that are too long, or end too early, are errors")
    func lengths() throws {
        let long = #"{"AccessKeyId": "AKI", "SecretAccessKey": "s"}"# + String(repeating: " ", count: 64 << 10)
        #expect(try error(ServiceReply(body: long)) == "its answer has more than 65536 bytes")
        let cut = ServiceReply(body: Answers.json(accessKey: "AKI"), missing: 10)
        #expect(try !error(cut).contains("hidden"))
    }

    @Test("an endpoint of a site may have credentials without a token and an end; those of AWS have both")
    func lasting() throws {
        let body = #"{"AccessKeyId": "AKI", "SecretAccessKey": "s"}"#
        let service = CredentialService(name: "a service", endpoint: try #require(Endpoint("http://127.0.0.1")))
        let answer = try CredentialAnswer(json: Array(body.utf8), from: service)
        #expect(try answer.credentials(from: service, mayLast: true) == Credentials(accessKey: "AKI", secretKey: "s"))
        #expect(throws: service.error("its answer has no Expiration")) { try answer.credentials(from: service) }
        var temporary = answer
        temporary.expiration = Answers.lateTime
        #expect(throws: service.error("its answer has no session token")) { try temporary.credentials(from: service) }
    }
}
