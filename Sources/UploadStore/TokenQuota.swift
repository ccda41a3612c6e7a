import UploadModel

// The limit on how many uploads may be begun with one token (`TokenQuota`). The journals' headers have the id of the
// token, so beginning an upload counts them. Meanwhile a lock on the token id excludes other beginnings with the same
// token: a byte of a file of its own, at an offset that is a hash of the token id.

extension LocalStore {
    /// The file whose bytes are locked.
    static let tokenQuotaFile = "tickets"

    /// Calls `work`, which begins an upload, if the token of `chunk` allows one more.
    ///
    /// - Throws: `StoreError.quotaUsedUp` if it doesn't.
    func withTokenQuota<Result>(
        of chunk: ChunkRequest, _ work: () throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        guard let quota = chunk.quota else { return try work() }
        let offset = Array(quota.tokenID.utf8).withUnsafeBytes { Checksum.of($0) } >> 2
        let file = try onDisk { () throws(FileError) in
            let file = try state.create(LocalStore.tokenQuotaFile)
            _ = try file.lock(offset: offset, length: 1, wait: true)
            return file
        }
        defer { file.unlock(offset: offset, length: 1) }
        let own = UploadKey(chunk.upload).journal
        var count = 0
        for name in try journals() where name != own {
            let header = try onDisk { () throws(FileError) in try state.open(name).map(JournalHeader.read) ?? nil }
            // The same id with another owner is another token.
            if header?.tokenID == quota.tokenID, header?.uploadID?.owner == chunk.upload.owner { count += 1 }
        }
        guard count < quota.limit else { throw .quotaUsedUp(limit: quota.limit) }
        return try work()
    }
}
