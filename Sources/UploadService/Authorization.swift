import CCrypto
import HTTP
package import Tokens
import UploadModel

/// Decides what a client may do, by the token that it sends (PROTOCOL.md, Upload tokens).
///
/// The token is in the parameter `upload_token`, in the query or in a field before the file, or in the header
/// `Authorization: Bearer` (RFC 6750, section 2.1). A field takes precedence over the query, and both over the header.
package struct Authorization: Sendable {
    private let tokens: TokenVerifier?
    private let deleteToken: DeleteToken?
    private let now: @Sendable () -> UInt64

    /// - Parameters:
    ///   - tokens: verifies tokens; nil: requests need none.
    ///   - deleteToken: also permits removing uploads that have no owner; nil: nothing else does.
    ///   - now: the time in Unix seconds.
    package init(
        tokens: TokenVerifier? = nil, deleteToken: DeleteToken? = nil, now: @escaping @Sendable () -> UInt64
    ) {
        self.tokens = tokens
        self.deleteToken = deleteToken
        self.now = now
    }

    /// True if there is any way to get permission to remove an upload.
    var allowsRemoval: Bool { tokens != nil || deleteToken != nil }

    /// The permit of the client that sent the request.
    ///
    /// - Throws: `RequestFailure` with `refused` if a token is needed and the request has no valid one.
    func permit(for request: Request, _ parameters: Parameters) throws(RequestFailure) -> Permit {
        let parameter = try step(
            { RequestFailure(Outcome($0)) },
            { () throws(ParameterError) in try parameters.single(Dialect.of(parameters).token) })
        if request.method == .delete, let deleteToken, deleteToken.matches(parameter ?? request.bearerToken ?? "") {
            return Permit(mayRemove: true)
        }
        guard let tokens else { return Permit() }
        guard let token = parameter ?? request.bearerToken, !token.isEmpty else {
            throw RequestFailure(.refused("An upload token is needed, and must come before the file", because: .token))
        }
        do throws(TokenError) { return try tokens.permit(token, now: now()) } catch {
            throw RequestFailure(Authorization.outcome(of: error), note: error.description)
        }
    }

    /// The answer tells the person who uploads only whether a new token would help.
    private static func outcome(of error: TokenError) -> Outcome {
        switch error {
        case .expired: .refused("The upload token has expired; please get a new one", because: .token)
        case .notYetValid: .refused("The upload token is not valid yet", because: .token)
        default: .refused("The upload token is not valid", because: .token)
        }
    }
}

extension Request {
    /// The bearer token of the header `Authorization`; nil if there is none.
    fileprivate var bearerToken: String? {
        authorization.flatMap { value in
            let parts = value.split(separator: " ", maxSplits: 1)
            return parts.count == 2 && parts[0].lowercased() == "bearer" ? String(parts[1]) : nil
        }
    }
}
