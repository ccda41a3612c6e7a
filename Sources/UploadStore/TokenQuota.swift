import UploadModel

// Uploads that are begun with a ticket which is good for so many files (`TokenQuota`). The journals' headers tell which
// there are, so nothing has to be kept up to date; only an upload's beginning counts them. Meanwhile a lock on the ticket
// keeps others from counting, too: a byte of a file of its own, at a place that follows from the ticket's name.

extension LocalStore {
    /// The file on which tickets are locked.
    static let tokenQuotaFile = "tickets"

    /// Does `work`, which begins an upload, if its ticket is good for one more.
    func withTokenQuota<Result>(
        of chunk: ChunkRequest, _ work: () throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        guard let quota = chunk.quota else { return try work() }
        let place = Array(quota.tokenID.utf8).withUnsafeBytes { Checksum.of($0) } >> 2
        let file = try onDisk { () throws(FileError) in
            let file = try state.create(LocalStore.tokenQuotaFile)
            _ = try file.lock(offset: place, length: 1, wait: true)
            return file
        }
        defer { file.unlock(offset: place, length: 1) }
        let own = UploadKey(chunk.upload).journal
        var count = 0
        for name in try journals() where name != own {
            let header = try onDisk { () throws(FileError) in try state.open(name).map(JournalHeader.read) ?? nil }
            // Two owners' tickets of one name are not the same.
            if header?.tokenID == quota.tokenID, header?.uploadID?.owner == chunk.upload.owner { count += 1 }
        }
        guard count < quota.limit else { throw .quotaUsedUp(limit: quota.limit) }
        return try work()
    }
}
