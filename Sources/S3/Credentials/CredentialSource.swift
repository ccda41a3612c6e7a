/// A place that credentials come from. It is asked again before they end, and after the engine has refused them. Its
/// description tells where the place is, for messages.
package protocol CredentialSource: Sendable, CustomStringConvertible {
    /// False if it has the same credentials whenever it is asked.
    var mayChange: Bool { get }

    /// Returns the credentials that it has now. Blocks for some seconds at most.
    func load() throws(CredentialsError) -> Credentials
}

/// Credentials that were given to the program, such as those in its environment.
struct FixedCredentials: CredentialSource {
    let credentials: Credentials
    let description: String

    var mayChange: Bool { false }
    func load() throws(CredentialsError) -> Credentials { credentials }
}

/// A section of a file in the format of AWS's shared credentials file. An operator or another program may write new
/// credentials into it.
struct CredentialFile: CredentialSource {
    let path: String
    let profile: String

    var description: String { "\(path), section [\(profile)]" }
    var mayChange: Bool { true }

    func load() throws(CredentialsError) -> Credentials {
        guard let entries = try entries() else { throw .noProfile(profile, file: path) }
        func entry(_ name: String) throws(CredentialsError) -> String {
            guard let value = entries[name], !value.isEmpty else {
                throw .noEntry(name, profile: profile, file: path)
            }
            return value
        }
        let token = entries["aws_session_token"] ?? ""
        return Credentials(
            accessKey: try entry("aws_access_key_id"), secretKey: try entry("aws_secret_access_key"),
            sessionToken: token.isEmpty ? nil : token)
    }

    /// The entries of the section, by their names in lower case; nil if there is no such section. Comments start a line
    /// with `#` or `;`.
    func entries() throws(CredentialsError) -> [String: String]? {
        var entries: [String: String]?
        var isWanted = false
        let text = String(decoding: try readFile(path), as: UTF8.self)
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.trimmed
            if line.hasPrefix("["), line.hasSuffix("]") {
                isWanted = line.dropFirst().dropLast().trimmed == profile
                if isWanted { entries = entries ?? [:] }
            } else if isWanted, !line.hasPrefix("#"), !line.hasPrefix(";"), let equals = line.firstIndex(of: "=") {
                entries?[line[..<equals].trimmed.lowercased()] = String(line[line.index(after: equals)...].trimmed)
            }
        }
        return entries
    }
}
