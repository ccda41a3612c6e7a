import JSON
import UploadModel

extension Permit {
    /// The permit that the claims of a token describe (PROTOCOL.md, Upload tokens).
    init(_ claims: JSONValue) throws(TokenError) {
        self.init()
        owner = try Permit.owner(claims)
        maximumFileSize = try Permit.count(claims, "max_size", from: 0).map(UInt64.init)
        types = try Permit.types(claims["types"])
        if let limit = try Permit.count(claims, "uploads", from: 1) {
            guard let tokenID = claims["jti"]?.string else { throw .missingClaim("jti") }
            guard let quota = TokenQuota(tokenID: tokenID, limit: Int(limit)) else { throw .invalidClaim("jti") }
            self.quota = quota
        }
        if let value = claims["delete"] {
            guard let may = value.bool else { throw .invalidClaim("delete") }
            mayRemove = may
        }
    }

    private static func owner(_ claims: JSONValue) throws(TokenError) -> Owner {
        var subject = ""
        if let value = claims["sub"] {
            guard let text = value.string else { throw .invalidClaim("sub") }
            subject = text
        }
        var directory: RelativePath?
        if let value = claims["dir"] {
            // Exactly the folder that the site means, or none.
            guard let text = value.string, let path = try? RelativePath(text, parameter: "dir"), path.text == text
            else { throw .invalidClaim("dir") }
            directory = path
        }
        guard let owner = Owner(subject: subject, directory: directory) else { throw .invalidClaim("sub") }
        return owner
    }

    private static func count(_ claims: JSONValue, _ name: String, from least: Int64) throws(TokenError) -> Int64? {
        guard let value = claims[name] else { return nil }
        guard let count = value.integer, count >= least else { throw .invalidClaim(name) }
        return count
    }

    private static func types(_ claim: JSONValue?) throws(TokenError) -> TypePolicy? {
        guard let claim else { return nil }
        let patterns = claim.elements.map { $0.map(\.string) } ?? [claim.string]
        let text = patterns.compactMap(\.self).joined(separator: ",")
        guard !patterns.contains(nil), let types = TypePolicy(text) else { throw .invalidClaim("types") }
        return types
    }
}
