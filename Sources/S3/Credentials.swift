/// The key pair that signs requests, and the token that belongs to a temporary pair.
///
/// The secret is in no description, so that a message or a log that is given the whole value does not show it.
package struct Credentials: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    package let accessKey: String
    let secretKey: String
    let sessionToken: String?

    /// - Parameter sessionToken: nil for a pair that does not expire.
    package init(accessKey: String, secretKey: String, sessionToken: String? = nil) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
    }

    package var description: String { "credentials of \(accessKey)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["accessKey": accessKey]) }
}

/// Why there are no credentials.
package enum CredentialsError: Error, Equatable, CustomStringConvertible {
    /// The file cannot be read, with the system's reason.
    case unreadable(file: String, reason: String)
    /// The file has no section of this name.
    case noProfile(String, file: String)
    /// The section lacks this entry.
    case noEntry(String, profile: String, file: String)
    /// This variable is set, and the other one of its pair is not.
    case half(set: String, missing: String)
    /// Neither the environment nor a file has any.
    case none

    package var description: String {
        switch self {
        case .unreadable(let file, let reason): "cannot read \(file): \(reason)"
        case .noProfile(let profile, let file): "\(file) has no section [\(profile)]"
        case .noEntry(let name, let profile, let file): "\(file) has no \(name) in the section [\(profile)]"
        case .half(let set, let missing): "\(set) is set in the environment, but \(missing) is not"
        case .none: "there are no credentials, neither in the environment nor in a file"
        }
    }
}
