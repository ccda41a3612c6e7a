import CCrypto
import HTTP
package import Tokens
import UploadModel

/// Who may do what: everybody, or whoever carries a token.
///
/// The token stands in the parameter `upload_token` (seed), in the query or in a field before the file, or in the header
/// `Authorization: Bearer` (RFC 6750, section 2.1). A field wins over the query, and both over the header.
package struct Authorization: Sendable {
    private let tokens: TokenVerifier?
    private let deleteToken: DeleteToken?
    private let now: @Sendable () -> UInt64

    /// - Parameters:
    ///   - tokens: reads tokens; nil: nobody needs one.
    ///   - deleteToken: what else allows to give an upload of nobody in particular up; nil: nothing.
    ///   - now: the time in Unix seconds.
    package init(
        tokens: TokenVerifier? = nil, deleteToken: DeleteToken? = nil, now: @escaping @Sendable () -> UInt64
    ) {
        self.tokens = tokens
        self.deleteToken = deleteToken
        self.now = now
    }

    /// True if an upload can be given up at all.
    var allowsRemoval: Bool { tokens != nil || deleteToken != nil }

    /// What the request may do.
    ///
    /// - Throws: `RequestFailure` with `refused` if it needs a token and carries none that is good.
    func permit(for request: Request, _ parameters: Parameters) throws(RequestFailure) -> Permit {
        let parameter = parameters[Dialect.of(parameters).token]
        if request.method == .delete, let deleteToken, deleteToken.matches(parameter ?? request.bearerToken ?? "") {
            return Permit(mayRemove: true)
        }
        guard let tokens else { return Permit() }
        guard let token = parameter ?? request.bearerToken, !token.isEmpty else {
            throw RequestFailure(.refused("An upload token is needed, and must stand before the file", because: .token))
        }
        do throws(TokenError) { return try tokens.permit(token, now: now()) } catch {
            throw RequestFailure(Authorization.outcome(of: error), note: error.description)
        }
    }

    /// What the person is told who uploads: enough to know whether a new token would help.
    private static func outcome(of error: TokenError) -> Outcome {
        switch error {
        case .expired: .refused("The upload token has expired; please get a new one", because: .token)
        case .notYetValid: .refused("The upload token is not valid yet", because: .token)
        default: .refused("The upload token is not valid", because: .token)
        }
    }
}

extension Request {
    /// The token of the header `Authorization`; nil where there is none of that kind.
    fileprivate var bearerToken: String? {
        authorization.flatMap { value in
            let parts = value.split(separator: " ", maxSplits: 1)
            return parts.count == 2 && parts[0].lowercased() == "bearer" ? String(parts[1]) : nil
        }
    }
}
