import JSON
import Linux

/// The fields of an answer with credentials, before they are checked.
struct CredentialAnswer {
    var accessKey: String?
    var secretKey: String?
    var token: String?
    /// In ISO 8601.
    var expiration: String?

    /// Reads the JSON object of a container endpoint or of the metadata service.
    init(json body: [UInt8], from service: CredentialService) throws(CredentialsError) {
        guard let object = body.withBytes({ JSONValue(object: $0) }) else {
            throw service.error("its answer is not a JSON object")
        }
        // The metadata service answers with 200 and a code if it cannot get the role's credentials.
        if let code = object["Code"]?.string, code != "Success" {
            throw service.error(CredentialService.isCode(code) ? "its answer is \(code)" : "its answer is no success")
        }
        accessKey = object["AccessKeyId"]?.string
        secretKey = object["SecretAccessKey"]?.string
        token = object["Token"]?.string
        expiration = object["Expiration"]?.string
    }

    /// Reads the XML document of a token service.
    init(xml body: [UInt8], from service: CredentialService) throws(CredentialsError) {
        let result = XMLElement.parse(body)?.first("AssumeRoleWithWebIdentityResult")
        guard let credentials = result?.first("Credentials") else {
            throw service.error("its answer is not that of a token service")
        }
        accessKey = credentials["AccessKeyId"]
        secretKey = credentials["SecretAccessKey"]
        token = credentials["SessionToken"]
        expiration = credentials["Expiration"]
    }

    /// - Parameter mayLast: whether credentials without a token or an end are accepted. Some endpoints that take the
    ///   place of AWS's have such.
    func credentials(
        from service: CredentialService, mayLast: Bool = false
    ) throws(CredentialsError) -> Credentials {
        func field(_ value: String?, _ name: String) throws(CredentialsError) -> String {
            guard let value, !value.isEmpty else { throw service.error("its answer has no \(name)") }
            guard isPlain(value) else { throw service.error("its answer has an unusable \(name)") }
            return value
        }
        let expires = try expiration.map { text throws(CredentialsError) in
            guard let time = Timestamp.parseISO(text) else {
                throw service.error("its answer has an unusable Expiration")
            }
            return time
        }
        guard mayLast || expires != nil else { throw service.error("its answer has no Expiration") }
        let hasNoToken = mayLast && token?.isEmpty != false
        return Credentials(
            accessKey: try field(accessKey, "AccessKeyId"), secretKey: try field(secretKey, "SecretAccessKey"),
            sessionToken: hasNoToken ? nil : try field(token, "session token"), expires: expires)
    }
}
