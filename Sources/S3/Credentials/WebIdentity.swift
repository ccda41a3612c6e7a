import Linux

/// The credentials of a role, which a token service gives for the token of a web identity: STS's
/// AssumeRoleWithWebIdentity. Kubernetes writes such a token for a service account, and replaces it from time to time.
struct WebIdentity: CredentialSource {
    let service: CredentialService
    let tokenFile: String
    let role: String
    let session: String

    var description: String { "\(service)" }
    var mayChange: Bool { true }

    static let tokenVariable = "AWS_WEB_IDENTITY_TOKEN_FILE"
    private static let roleVariable = "AWS_ROLE_ARN"
    private static let sessionVariable = "AWS_ROLE_SESSION_NAME"
    private static let endpointVariable = "AWS_ENDPOINT_URL_STS"

    /// Nil if the variables name none.
    ///
    /// - Parameter certificates: those of the engine. They also count for a token service that is not AWS's.
    init?(
        region: String, certificates: String?, variable: (String) -> String?
    ) throws(CredentialsError) {
        // A role alone is for other tools: it may be meant for another kind of credentials.
        guard let tokenFile = variable(WebIdentity.tokenVariable) else { return nil }
        guard let role = variable(WebIdentity.roleVariable) else {
            throw .half(set: WebIdentity.tokenVariable, missing: WebIdentity.roleVariable)
        }
        let place = variable(WebIdentity.endpointVariable)
        guard let endpoint = place.map({ Endpoint($0) }) ?? Endpoint.aws(service: "sts", region: region) else {
            throw .invalid(variable: WebIdentity.endpointVariable, reason: "is not an http or https URL without a path")
        }
        self.tokenFile = tokenFile
        self.role = role
        session = variable(WebIdentity.sessionVariable) ?? "resumabled"
        service = CredentialService(
            name: "the token service", endpoint: endpoint, certificates: place == nil ? nil : certificates,
            usesProxy: true, limits: CredentialService.remote)
    }

    func load() throws(CredentialsError) -> Credentials {
        let fields = [
            ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", role),
            ("RoleSessionName", session), ("WebIdentityToken", try readToken(tokenFile).text),
        ]
        let form = fields.map { "\($0.0)=\(percentEncoded($0.1))" }.joined(separator: "&")
        let answer = try service.request(
            "POST", "/", [Header("content-type", "application/x-www-form-urlencoded")], body: Array(form.utf8))
        return try CredentialAnswer(xml: answer, from: service).credentials(from: service)
    }
}
