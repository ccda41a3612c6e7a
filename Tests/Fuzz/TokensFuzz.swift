import TestSupport
import Tokens
import UploadModel

private let secret = Array("thirty-two bytes for the fuzzers".utf8)
private let verifier = (try? TokenKeys(secret)).map { TokenVerifier(keys: $0, leeway: 0) }
/// In Unix seconds.
private let now: UInt64 = 1000

/// Upload tokens. The invariants:
/// 1. A token that was not signed is never accepted.
/// 2. Claims that are signed and accepted contain no path out of the root, no negative number, and no time that is
///    over; a token made from their permit gives the same permit.
func fuzzTokens(_ bytes: UnsafeRawBufferPointer) -> String? {
    guard let verifier else { return "there is no key" }
    let text = String(decoding: bytes, as: UTF8.self)
    if (try? verifier.permit(text, now: now)) != nil { return "a token that nobody signed is accepted" }

    guard let token = try? signedHS256(header: #"{"alg":"HS256"}"#, claims: text, secret: secret),
        let permit = try? verifier.permit(token, now: now)
    else { return nil }
    if !text.contains("exp") && !text.contains("\\u") { return "a token without an end is accepted" }
    for component in permit.owner.directory?.components ?? [] {
        if [".", "..", ""].contains(component.text) || component.text.contains("/") {
            return "the folder \(component.text) leads elsewhere"
        }
    }
    if permit.owner.subject.utf8.count > Owner.maximumSubjectLength { return "a subject that is too long" }
    if let limit = permit.quota?.limit, limit < 1 { return "a quota of \(limit)" }
    guard let keys = try? TokenKeys(secret), let again = try? TokenSigner.token(permit, expires: now + 1, keys: keys)
    else { return "what is allowed can't be said" }
    // A token may be too long after its texts were escaped.
    if again.utf8.count > TokenVerifier.maximumLength { return nil }
    let read = try? verifier.permit(again, now: now)
    return read == permit ? nil : "\(permit) became \(String(describing: read))"
}
