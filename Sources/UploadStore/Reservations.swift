/// Counts how much space the unfinished uploads of each client have reserved beyond what is held of them, so that one
/// client cannot reserve much of the disk with many uploads.
///
/// The counts are this process's and begin anew with it, as all limits of a client do.
struct Reservations {
    private struct Share {
        let client: String
        let bytes: UInt64
    }

    private var shares: [UploadKey: Share] = [:]
    private var totals: [String: UInt64] = [:]

    /// The uploads that are counted.
    var keys: Set<UploadKey> { Set(shares.keys) }

    /// Counts a reservation, in place of the upload's last one. Uploads without a known client have no limit.
    ///
    /// - Parameters:
    ///   - bytes: how much is wanted beyond what is held.
    ///   - limit: how much one client may have in all.
    /// - Returns: as much of that as the limit leaves.
    mutating func take(_ bytes: UInt64, for key: UploadKey, of client: String, atMost limit: UInt64) -> UInt64 {
        end(key)
        guard !client.isEmpty else { return bytes }
        let total = totals[client, default: 0]
        let taken = min(bytes, limit > total ? limit - total : 0)
        if taken > 0 {
            shares[key] = Share(client: client, bytes: taken)
            totals[client] = total + taken
        }
        return taken
    }

    /// The upload was finished or removed, or nothing could be reserved for it.
    mutating func end(_ key: UploadKey) {
        guard let share = shares.removeValue(forKey: key), let total = totals[share.client] else { return }
        totals[share.client] = total > share.bytes ? total - share.bytes : nil
    }
}
