import Glibc
import Linux

/// Finds the source of credentials, in the order in which AWS's tools look for one.
///
/// A source that the operator has named counts alone: if it fails, that is an error, and no later source takes its
/// place. Otherwise the program could go on with a role that is not meant for it, such as that of the whole machine.
package struct CredentialSearch {
    /// A file that was named explicitly; nil: none was.
    let file: String?
    let region: String
    /// The path of a file with the certificate authorities that vouch for the engine; nil: the system's.
    let certificates: String?
    /// Returns the value of a variable of the environment; nil if it is not set or empty.
    let variable: (String) -> String?

    package init(
        file: String?, region: String = "us-east-1", certificates: String? = nil,
        variable: @escaping (String) -> String?
    ) {
        self.file = file
        self.region = region
        self.certificates = certificates
        self.variable = variable
    }

    /// Returns the first source that there is, with its credentials.
    func find() throws(CredentialsError) -> (source: any CredentialSource, credentials: Credentials) {
        var tried: [String] = []
        if let named = try named(&tried) { return (named, try named.load()) }
        // The metadata service is tried without being named, so its failure is one reason of several.
        guard let metadata = try MetadataService(variable: variable) else {
            throw .none(tried: tried + ["\(MetadataService.disabledVariable) is set"])
        }
        do { return (metadata, try metadata.load()) } catch { throw .none(tried: tried + ["\(error)"]) }
    }

    private func named(_ tried: inout [String]) throws(CredentialsError) -> (any CredentialSource)? {
        let profile = variable("AWS_PROFILE")
        if let file { return CredentialFile(path: file, profile: profile ?? "default") }
        if let credentials = try fromEnvironment() {
            return FixedCredentials(credentials: credentials, description: "the environment")
        }
        if let identity = try WebIdentity(region: region, certificates: certificates, variable: variable) {
            return identity
        }
        tried.append("neither \(CredentialSearch.accessVariable) nor \(WebIdentity.tokenVariable) is set")
        if let shared = try sharedFile(profile, &tried) { return shared }
        if let container = try ContainerEndpoint(variable: variable) { return container }
        tried.append(
            "neither \(ContainerEndpoint.relativeVariable) nor \(ContainerEndpoint.fullVariable) is set")
        return nil
    }

    private static let accessVariable = "AWS_ACCESS_KEY_ID"
    private static let secretVariable = "AWS_SECRET_ACCESS_KEY"

    private func fromEnvironment() throws(CredentialsError) -> Credentials? {
        let names = (access: CredentialSearch.accessVariable, secret: CredentialSearch.secretVariable)
        switch (variable(names.access), variable(names.secret)) {
        case (nil, nil): return nil
        case (.some, nil): throw .half(set: names.access, missing: names.secret)
        case (nil, .some): throw .half(set: names.secret, missing: names.access)
        case (let accessKey?, let secretKey?):
            return Credentials(
                accessKey: accessKey, secretKey: secretKey, sessionToken: variable("AWS_SESSION_TOKEN"))
        }
    }

    /// The shared file, if a variable names it or its section, or if it has the usual section.
    private func sharedFile(
        _ profile: String?, _ tried: inout [String]
    ) throws(CredentialsError) -> CredentialFile? {
        let named = variable("AWS_SHARED_CREDENTIALS_FILE")
        guard let path = named ?? variable("HOME").map({ "\($0)/.aws/credentials" }) else {
            tried.append("HOME is not set")
            return nil
        }
        let file = CredentialFile(path: path, profile: profile ?? "default")
        if named != nil || profile != nil { return file }
        guard access(path, F_OK) == 0 else {
            tried.append("there is no \(path)")
            return nil
        }
        guard try file.entries() != nil else {
            tried.append("\(CredentialsError.noProfile(file.profile, file: path))")
            return nil
        }
        return file
    }
}
