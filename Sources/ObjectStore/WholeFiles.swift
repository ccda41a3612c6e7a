import Linux
import S3
import UploadModel
import UploadStore

// A chunk that is the whole file, an empty one included, is put under its final name by one call. Its claim names the
// file, and nothing else has to be decided. If the host dies before the file is there, nothing is held, and the client
// sends the chunk again.

extension ObjectStore {
    /// How long a host may take to put a file whose claim it has created, in seconds.
    private static let putSeconds: UInt64 = 120

    /// Puts a chunk that is the whole file.
    ///
    /// - Returns: nil if the upload has to be looked at again.
    func putWhole(_ chunk: WholeChunk, _ look: Look) throws(StoreError) -> Receipt? {
        if !chunk.isAdmitted {
            try admit(chunk.chunk, 0)
            chunk.isAdmitted = true
        }
        let generation = Generation.Name.next(after: look.listing.newest?.name, now: now())
        let begun = try gate.pass(look.folder) { hasWaited throws(StoreError) -> Look? in
            // Another thread has begun it, or failed. If another host has, the claim is there.
            guard !hasWaited else { return nil }
            try clearLast(look)
            let slot = try takeSlot(chunk.chunk)
            let path = try chooseName(look.id, chunk.chunk.relativePath, for: generation)
            let claim = Claim(chunk.chunk, size: chunk.total, cell: 0, begun: now(), slot: slot)
            let multipart =
                try publishesOnce ? beginMultipart(path, ObjectStore.seal(of: look.id, generation)) : nil
            let target = Target(path: path, multipart: multipart)
            guard try create(look.folder, generation, .claim, { Beginning.whole(claim, target).write(to: &$0) }) else {
                try abort(target)
                // The request that was faster may use the same name, so this one must not give it back.
                return nil
            }
            observe(.begun(claim.summary(held: 0, touched: claim.begun)))
            return Look(
                id: look.id, folder: look.folder, listing: look.listing, generation: Generation(name: generation),
                phase: .whole(claim, target))
        }
        guard let begun, case .whole(let claim, let target) = begun.phase else { return nil }
        return try putWhole(chunk, begun, claim, target)
    }

    /// Puts a chunk that is the whole file under the name that was chosen for it.
    func putWhole(
        _ chunk: WholeChunk, _ look: Look, _ claim: Claim, _ target: Target
    ) throws(StoreError) -> Receipt? {
        guard let generation = look.generation?.name else { return nil }
        let seal = look.seal(generation)
        let digest = try chunk.blocks(of: chunk.range).digest
        // Of several requests with this chunk, one puts the file. The others compare theirs with it.
        guard try put(chunk.scratch.payload, target, seal) else {
            if try isPublished(target.path, size: claim.size, seal) {
                if let path = try conclude(look, generation, claim, target.path) { chunk.published = path }
                return nil
            }
            // It may have been published, and then replaced by a newer one, which this request must not replace.
            let after = try self.look(look.id)
            if after.generation?.name == generation, case .finished(let outcome, _) = after.phase,
                outcome.digest == digest
            {
                return Receipt(.duplicate)
            }
            try endWhole(look, claim)
            return nil
        }
        if let path = try conclude(look, generation, claim, target.path, digest: digest) {
            return Receipt(.completed(path: path))
        }
        // Another request has found the file, or has found none and taken this host for dead.
        let after = try self.look(look.id)
        if after.generation?.name == generation, case .none = after.phase {
            if try isPublished(target.path, size: claim.size, seal) {
                try onEngine { () throws(S3Error) in try bucket.delete([keys.file(target.path)]) }
            }
        }
        return nil
    }

    /// Puts the file.
    ///
    /// - Returns: false if another request has put it, or another file has the name.
    private func put(_ payload: any Payload, _ target: Target, _ seal: String) throws(StoreError) -> Bool {
        let key = keys.file(target.path)
        do throws(S3Error) {
            if let multipart = target.multipart {
                let etag = try bucket.putPart(key, upload: multipart, number: 1, payload)
                try bucket.completeMultipart(key, upload: multipart, parts: [(1, etag)], ifAbsent: false)
            } else {
                try bucket.put(
                    key, payload, metadata: [ObjectStore.seal: seal], ifAbsent: settings.onConflict != .replace)
            }
            return true
        } catch {
            switch error {
            case .exists, .noSuchUpload: return false
            // Another request with other bytes has replaced the part.
            case .invalidPart: throw .busy
            default: throw .failed(StoreCause(error))
            }
        }
    }

    private func abort(_ target: Target) throws(StoreError) {
        guard let multipart = target.multipart else { return }
        try onEngine { () throws(S3Error) in
            try bucket.abortMultipart(keys.file(target.path), upload: multipart)
        }
    }

    /// Carries on with a whole file whose bytes this request does not have.
    ///
    /// - Returns: false if its host may still be at work.
    func resolveWhole(_ look: Look, _ claim: Claim, _ target: Target) throws(StoreError) -> Bool {
        guard let generation = look.generation?.name else { return true }
        if try isPublished(target.path, size: claim.size, look.seal(generation)) {
            _ = try conclude(look, generation, claim, target.path)
            return true
        }
        guard claim.begun + ObjectStore.putSeconds <= now() else { return false }
        try endWhole(look, claim)
        return true
    }

    /// Ends an attempt to put a whole file. Nobody was told that anything of it is held.
    private func endWhole(_ look: Look, _ claim: Claim) throws(StoreError) {
        guard let generation = look.generation?.name, case .whole(_, let target) = look.phase,
            try endWithoutFile(look.folder, generation, claim)
        else { return }
        observe(.removed(claim.summary(held: 0, touched: now()), .lost))
        try? clear(look.folder, generation, target: target)
    }
}
