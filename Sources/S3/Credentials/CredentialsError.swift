/// Why there are no credentials. It has no secrets, and nothing that a service has sent but a status and a code.
package enum CredentialsError: Error, Equatable, CustomStringConvertible {
    /// The file cannot be read, with the reason.
    case unreadable(file: String, reason: String)
    /// The file has no section of this name.
    case noProfile(String, file: String)
    /// The section lacks this entry.
    case noEntry(String, profile: String, file: String)
    /// This variable is set, and the other one of its pair is not.
    case half(set: String, missing: String)
    /// The value of this variable cannot be used.
    case invalid(variable: String, reason: String)
    /// A service gave no credentials that can be used. It is described with its address.
    case failed(service: String, reason: String)
    /// No source has any, with the reason for each.
    case none(tried: [String])

    package var description: String {
        switch self {
        case .unreadable(let file, let reason): "cannot read \(file): \(reason)"
        case .noProfile(let profile, let file): "\(file) has no section [\(profile)]"
        case .noEntry(let name, let profile, let file): "\(file) has no \(name) in the section [\(profile)]"
        case .half(let set, let missing): "\(set) is set in the environment, but \(missing) is not"
        case .invalid(let variable, let reason): "\(variable) in the environment \(reason)"
        case .failed(let service, let reason): "\(service) gave no credentials: \(reason)"
        case .none(let tried): "there are no credentials: \(CredentialsError.list(tried))"
        }
    }

    /// Clauses with commas between them, and `and` before the last one.
    private static func list(_ clauses: [String]) -> String {
        guard let last = clauses.last, clauses.count > 1 else { return clauses.joined() }
        return "\(clauses.dropLast().joined(separator: ", ")), and \(last)"
    }
}
