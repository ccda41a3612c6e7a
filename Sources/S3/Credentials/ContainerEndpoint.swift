import Linux

/// The credentials of a container's role, from an endpoint that its environment names: that of ECS or of EKS Pod
/// Identity, or one that a site runs.
struct ContainerEndpoint: CredentialSource {
    /// The value of `Authorization`, with which the endpoint knows the container.
    enum Authorization: Sendable {
        case none
        case token(Secret)
        /// The path of a file with the token.
        case file(String)
    }

    let service: CredentialService
    /// The path and the query. They may be as good as a secret.
    let path: Secret
    let authorization: Authorization

    var description: String { "\(service)" }
    var mayChange: Bool { true }

    static let relativeVariable = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
    static let fullVariable = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    private static let tokenVariable = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
    private static let fileVariable = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
    /// Where ECS answers.
    private static let host = "169.254.170.2"
    /// EKS Pod Identity.
    private static let podHost = "169.254.170.23"
    private static let podHostIPv6 = "[fd00:ec2::23]"

    /// Nil if the variables name none.
    init?(variable: (String) -> String?) throws(CredentialsError) {
        let name: String
        let url: String
        if let path = variable(ContainerEndpoint.relativeVariable) {
            guard path.hasPrefix("/") else {
                throw .invalid(variable: ContainerEndpoint.relativeVariable, reason: "does not begin with a slash")
            }
            (name, url) = (ContainerEndpoint.relativeVariable, "http://\(ContainerEndpoint.host)\(path)")
        } else if let full = variable(ContainerEndpoint.fullVariable) {
            (name, url) = (ContainerEndpoint.fullVariable, full)
        } else {
            return nil
        }
        guard let (endpoint, path) = ContainerEndpoint.split(url) else {
            throw .invalid(variable: name, reason: "is not an http or https URL")
        }
        guard ContainerEndpoint.isAllowed(endpoint) else {
            throw .invalid(
                variable: name,
                reason: "has another host than this machine and those of ECS and EKS, for which https is needed")
        }
        service = CredentialService(name: "the container endpoint", endpoint: endpoint)
        self.path = Secret(path)
        if let file = variable(ContainerEndpoint.fileVariable) {
            authorization = .file(file)
        } else if let token = variable(ContainerEndpoint.tokenVariable) {
            guard !token.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
                throw .invalid(variable: ContainerEndpoint.tokenVariable, reason: "has a control character")
            }
            authorization = .token(Secret(token))
        } else {
            authorization = .none
        }
    }

    func load() throws(CredentialsError) -> Credentials {
        let token: Secret? =
            switch authorization {
            case .none: nil
            case .token(let token): token
            case .file(let file): try readToken(file)
            }
        let headers = token.map { [Header("authorization", $0.text)] } ?? []
        let answer = try service.request("GET", path.text, headers)
        return try CredentialAnswer(json: answer, from: service).credentials(from: service, mayLast: true)
    }

    /// The endpoint of a URL, and its path with the query.
    private static func split(_ url: String) -> (Endpoint, String)? {
        guard let scheme = url.firstIndex(of: ":") else { return nil }
        let rest = url[scheme...].dropFirst(3)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? url.endIndex
        let path = url[end...]
        guard let endpoint = Endpoint(String(url[..<end])), isPlain(path), !path.contains("#") else { return nil }
        return (endpoint, path.hasPrefix("/") ? String(path) : "/\(path)")
    }

    /// AWS's rule: without TLS, only the hosts on which nobody else can listen.
    private static func isAllowed(_ endpoint: Endpoint) -> Bool {
        endpoint.isSecure || endpoint.isLoopback
            || endpoint.address.map { address in
                [host, podHost, podHostIPv6].contains { Endpoint("http://\($0)")?.address == address }
            } ?? false
    }
}
