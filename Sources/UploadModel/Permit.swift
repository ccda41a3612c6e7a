/// The rights of a client: those that the server gives every client, or fewer if its token says so (PROTOCOL.md, Upload
/// tokens).
package struct Permit: Sendable, Equatable {
    /// The owner of the client's uploads.
    package var owner: Owner
    /// The largest file, in bytes; nil: the server's own limit.
    package var maximumFileSize: UInt64?
    /// The accepted types of file, besides the server's own rule; nil: all.
    package var types: TypePolicy?
    /// How many files may be uploaded with the token; nil: any number.
    package var quota: TokenQuota?
    /// True if an unfinished upload may be removed.
    package var mayRemove: Bool

    /// A permit; without arguments, that of every client.
    package init(
        owner: Owner = .nobody, maximumFileSize: UInt64? = nil, types: TypePolicy? = nil, quota: TokenQuota? = nil,
        mayRemove: Bool = false
    ) {
        self.owner = owner
        self.maximumFileSize = maximumFileSize
        self.types = types
        self.quota = quota
        self.mayRemove = mayRemove
    }
}

/// How many files may be uploaded with one token. It counts the uploads that were begun with the token, finished ones
/// included.
package struct TokenQuota: Sendable, Equatable {
    /// The token's name (`jti`), which tokens that renew each other share.
    package let tokenID: String
    /// The number of files, 1 and up.
    package let limit: Int

    /// Nil unless `tokenID` has 1 to 255 bytes and `limit` is positive.
    package init?(tokenID: String, limit: Int) {
        guard (1...255).contains(tokenID.utf8.count), limit >= 1 else { return nil }
        self.tokenID = tokenID
        self.limit = limit
    }
}
