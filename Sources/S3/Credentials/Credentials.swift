/// The key pair that signs requests, and the token that belongs to a temporary pair.
///
/// The secrets are in no description, so that a message or a log that is given the whole value does not show them.
package struct Credentials: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    package let accessKey: String
    let secretKey: String
    let sessionToken: String?
    /// When they end, in Unix seconds; nil if they do not end, or if that is not known.
    package let expires: UInt64?

    /// - Parameters:
    ///   - sessionToken: nil for a pair that does not expire.
    ///   - expires: Unix seconds.
    package init(accessKey: String, secretKey: String, sessionToken: String? = nil, expires: UInt64? = nil) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
        self.expires = expires
    }

    /// True if they have not ended. An engine may refuse them all the same.
    func isValid(at time: UInt64) -> Bool { expires.map { time < $0 } ?? true }

    /// A text of somebody else, or words in its place if it has one of the secrets.
    func hiding(_ text: String) -> String {
        let secrets = [secretKey, sessionToken ?? ""].filter { !$0.isEmpty }
        return secrets.contains { text.contains($0) } ? "(the text has a secret)" : text
    }

    package var description: String { "credentials of \(accessKey)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["accessKey": accessKey]) }
}

/// A text that no description shows.
struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    let text: String

    init(_ text: String) { self.text = text }

    var description: String { "(secret)" }
    var debugDescription: String { description }
    var customMirror: Mirror { Mirror(self, children: []) }
}
