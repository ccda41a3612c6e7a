/// What the sender of a request may do: what the server lets everybody do, or less, where a token says so.
package struct Permit: Sendable, Equatable {
    /// Whose the uploads are.
    package var owner: Owner
    /// How many bytes a file may have; nil: as many as the server takes.
    package var maximumFileSize: UInt64?
    /// Which types of file are accepted, besides the server's own rule; nil: all.
    package var types: TypePolicy?
    /// How many files may be uploaded; nil: any number.
    package var quota: TokenQuota?
    /// True if an upload under way may be given up.
    package var mayRemove: Bool

    /// A permit; without arguments that of everybody.
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

/// How many files one ticket is good for. What counts is the uploads that were begun with it, finished ones included, as
/// long as the store has a record of them.
package struct TokenQuota: Sendable, Equatable {
    /// The ticket's name, the same for all who share it.
    package let tokenID: String
    /// How many files. 1 and up.
    package let limit: Int

    /// Nil unless `ticket` has 1 to 255 bytes and `limit` is positive.
    package init?(tokenID: String, limit: Int) {
        guard (1...255).contains(tokenID.utf8.count), limit >= 1 else { return nil }
        self.tokenID = tokenID
        self.limit = limit
    }
}
