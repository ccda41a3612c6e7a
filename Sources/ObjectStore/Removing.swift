import Linux
import S3
package import UploadModel
package import UploadStore

// How unfinished uploads end: by their client, by another version of their file, and by time.

extension ObjectStore {
    package func remove(_ upload: UploadID) throws(StoreError) -> Removal {
        var id = upload
        if settings.layout != .tree { id.path = nil }
        for _ in 0..<ObjectStore.maximumAttempts {
            let look = try look(id)
            switch look.phase {
            case .none:
                // It is removed, whoever gives its name back.
                try? clearLast(look)
                return Removal()
            case .finished: throw .finished
            case .finishing: try finish(id)
            case .whole(let claim, let target):
                guard try resolveWhole(look, claim, target) else { throw .busy }
            case .live(let claim):
                if try end(look, claim, because: .givenUp) { return Removal() }
            }
        }
        throw .busy
    }

    /// Lets an upload make way for another version of its file.
    func supersede(_ look: Look, _ claim: Claim) throws(StoreError) {
        _ = try end(look, claim, because: .superseded)
    }

    /// Removes a live upload.
    ///
    /// - Returns: false if it has to be looked at again: its ledger was open, or another request has ended it.
    func end(_ look: Look, _ claim: Claim, because cause: RemovalCause) throws(StoreError) -> Bool {
        guard look.hasClosedLedger else {
            try closeLedger(look)
            return false
        }
        guard let generation = look.generation?.name,
            try create(look.folder, generation, .end, { Ending.removed(cause).write(to: &$0) })
        else { return false }
        let holdings = look.holdings(claim)
        observe(
            .removed(claim.summary(held: holdings.held.count, touched: look.lastSign(claim, holdings)), cause))
        // Nothing of it is held any more. The next request or a sweep carries on if this fails.
        try? clear(look.folder, generation)
        return true
    }

    /// Postpones the expiry of an upload that a client has asked for. Tests do not count while next to nothing is held
    /// (PROTOCOL.md, How bytes are matched to files).
    ///
    /// - Throws: `StoreError.busy` if a sweep is about to remove the upload.
    func touch(_ look: Look, _ claim: Claim, _ holdings: Holdings) throws(StoreError) {
        if look.isFading(at: now()) { throw .busy }
        let held = holdings.held.count
        guard settings.expire > 0, let generation = look.generation, held >= 1 << 20 || held >= claim.size / 16,
            look.lastSign(claim, holdings) + min(settings.expire / 8, 3600) <= now()
        else { return }
        let key = keys.mark(look.folder, generation.name, .touch(now()))
        try onEngine { () throws(S3Error) in try bucket.put(key, [UInt8](), metadata: [:], ifAbsent: false) }
        let after = try self.look(look.id)
        // The sweep puts its mark before it looks, and this request has done so, too: one of them sees the other.
        if after.isFading(at: now()) || after.generation?.name != generation.name { throw .busy }
        let old = generation.marks.keys.filter { if case .touch = $0 { true } else { false } }
            .map { keys.mark(look.folder, generation.name, $0) }.filter { $0 != key }
        if !old.isEmpty { try? onEngine { () throws(S3Error) in try bucket.delete(old) } }
    }
}

extension Look {
    /// When a client last sent to a live upload or asked for it, in Unix seconds.
    func lastSign(_ claim: Claim, _ holdings: Holdings) -> UInt64 {
        max(claim.begun, generation?.touched ?? 0, holdings.added ?? 0)
    }

    /// True while a sweep may be about to remove the upload.
    func isFading(at now: UInt64) -> Bool {
        generation?.fades.contains { now < $0 + ObjectStore.stepSeconds } == true
    }
}
