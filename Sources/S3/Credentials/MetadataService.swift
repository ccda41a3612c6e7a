import Linux

/// The credentials of the role of an EC2 instance, from its metadata service in version 2: each request has a token,
/// for which a PUT asks first. So a program that can be made to send a GET cannot be made to read them.
struct MetadataService: CredentialSource {
    let service: CredentialService

    var description: String { "\(service)" }
    var mayChange: Bool { true }

    static let disabledVariable = "AWS_EC2_METADATA_DISABLED"
    private static let endpointVariable = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
    private static let modeVariable = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
    /// For how long a token is asked for, in seconds. It is used for two requests.
    private static let tokenSeconds = "300"
    private static let rolePath = "/latest/meta-data/iam/security-credentials/"

    /// Nil if a variable forbids its use.
    init?(variable: (String) -> String?) throws(CredentialsError) {
        if variable(MetadataService.disabledVariable)?.lowercased() == "true" { return nil }
        let isIPv6 = variable(MetadataService.modeVariable)?.lowercased() == "ipv6"
        let usual = isIPv6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254"
        guard let endpoint = Endpoint(variable(MetadataService.endpointVariable) ?? usual) else {
            throw .invalid(
                variable: MetadataService.endpointVariable, reason: "is not an http or https URL without a path")
        }
        service = CredentialService(name: "the metadata service", endpoint: endpoint)
    }

    func load() throws(CredentialsError) -> Credentials {
        let token = try text(
            try service.request(
                "PUT", "/latest/api/token",
                [Header("x-aws-ec2-metadata-token-ttl-seconds", MetadataService.tokenSeconds)],
                reasons: [403: "so it is switched off for this machine"]),
            "token", isPlain)
        let headers = [Header("x-aws-ec2-metadata-token", token)]
        let role = try text(
            try service.request(
                "GET", MetadataService.rolePath, headers, reasons: [404: "so this machine has no role"]),
            "name of a role", MetadataService.isRole)
        let answer = try service.request("GET", MetadataService.rolePath + role, headers)
        return try CredentialAnswer(json: answer, from: service).credentials(from: service)
    }

    /// The first line of an answer.
    private func text(
        _ answer: [UInt8], _ what: String, _ isUsable: (Substring) -> Bool
    ) throws(CredentialsError) -> String {
        let line = String(decoding: answer, as: UTF8.self).split(whereSeparator: \.isNewline).first?.trimmed ?? ""
        guard !line.isEmpty, isUsable(line) else { throw service.error("its answer is not the \(what)") }
        return String(line)
    }

    /// IAM's rule for names of roles.
    private static func isRole(_ name: Substring) -> Bool {
        name.utf8.count <= 128 && name.utf8.allSatisfy { isLetterOrDigit($0) || "+=,.@_-".utf8.contains($0) }
    }
}
