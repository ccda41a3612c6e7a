import Linux
import S3
import UploadModel
import UploadStore

// How a file is published, once: the name is chosen (`target`), an `end` is created, which freezes what is held, the
// file is put or completed, and `done` is created. A host may die between any two of these steps. Then the next one that
// looks at the upload carries on, and does the same, because it is decided what the file consists of.

extension ObjectStore {
    /// Publishes an upload if all of it is held, or carries on where another request has begun that.
    ///
    /// - Parameters:
    ///   - fresh: a look that the caller has just taken.
    ///   - settling: true if provisional ranges count, provided that they are all that is missing.
    /// - Returns: the path of the file, if this call has published it.
    @discardableResult
    func finish(_ id: UploadID, _ fresh: Look? = nil, settling: Bool = false) throws(StoreError) -> String? {
        try gate.pass(keys.upload(UploadKey(id))) { hasWaited throws(StoreError) in
            var fresh = hasWaited ? nil : fresh
            for _ in 0..<ObjectStore.maximumAttempts {
                let look = if let fresh { fresh } else { try look(id) }
                fresh = nil
                guard let generation = look.generation else { return nil }
                switch look.phase {
                case .live(let claim):
                    let isComplete = look.holdings(claim).isComplete
                    guard isComplete || settling && look.holdings(claim).isCompleteWithProvisional else { return nil }
                    _ = try target(look, claim)
                    // The next look is the one that counts.
                    try closeLedger(look)
                    _ = try create(look.folder, generation.name, .end) {
                        Ending.finishing(settles: !isComplete).write(to: &$0)
                    }
                case .finishing(let claim, let settles):
                    if let path = try publish(look, generation, claim, settles: settles) { return path }
                case .none, .whole, .finished: return nil
                }
            }
            throw .busy
        }
    }

    /// Publishes an upload that takes no more chunks.
    ///
    /// - Returns: the path of the file; nil if another request was faster.
    func publish(
        _ look: Look, _ generation: Generation, _ claim: Claim, settles: Bool
    ) throws(StoreError) -> String? {
        let target = try target(look, claim)
        let holdings = look.holdings(claim, settlesProvisional: settles)
        guard holdings.isComplete else {
            try giveUp(look, claim, "bytes that were held are gone")
            return nil
        }
        let (isEarlier, earlier) = try publishAsEarlier(look, generation.name, claim, holdings)
        if isEarlier { return earlier }
        let seal = look.seal(generation.name)
        let isThere =
            if let multipart = target.multipart {
                try complete(multipart, target.path, look, claim, holdings, seal)
            } else {
                try putFile(target.path, look, claim, holdings, seal)
            }
        guard let isThere else { return nil }
        guard isThere else {
            // Only an outsider's file can be there: the name is reserved.
            try giveUp(look, claim, "another file has been put under the name of this one")
            return nil
        }
        return try conclude(look, generation.name, claim, target.path)
    }

    /// Puts a file of a single cell.
    ///
    /// - Returns: false if another file has the name; nil if another request has ended the upload.
    private func putFile(
        _ path: String, _ look: Look, _ claim: Claim, _ holdings: Holdings, _ seal: String
    ) throws(StoreError) -> Bool? {
        guard let content = holdings.content(of: 0), let bytes = try gather(content, 0, look, claim, holdings) else {
            return nil
        }
        return try putFile(path, bytes.payload, seal) { try? record(FileDigests(holdings), look) }
    }

    /// Puts a file in one call.
    ///
    /// - Parameter done: is called if this call has put it.
    /// - Returns: false if another file has the name.
    private func putFile(
        _ path: String, _ body: any Payload, _ seal: String, done: () -> Void
    ) throws(StoreError) -> Bool {
        do throws(S3Error) {
            try bucket.put(
                keys.file(path), body, metadata: [ObjectStore.seal: seal],
                ifAbsent: settings.onConflict != .replace)
            done()
            return true
        } catch {
            guard case .exists = error else { throw .failed(StoreCause(error)) }
            return try isPublished(path, size: body.length, seal)
        }
    }

    /// Completes a multipart upload.
    ///
    /// - Returns: false if another file has the name; nil if another request has ended the upload.
    private func complete(
        _ multipart: String, _ path: String, _ look: Look, _ claim: Claim, _ holdings: Holdings, _ seal: String
    ) throws(StoreError) -> Bool? {
        var failure = StoreError.busy
        var engine: EngineParts?
        for _ in 0..<3 {
            var parts: [(number: Int, etag: String)] = []
            for cell in 0..<holdings.grid.count {
                guard let etag = try gatherIfComplete(cell, look, claim, holdings, engine: engine) else { break }
                parts.append((cell + 1, etag))
            }
            if parts.count == holdings.grid.count {
                do throws(S3Error) {
                    try bucket.completeMultipart(
                        keys.file(path), upload: multipart, parts: parts, ifAbsent: settings.onConflict != .replace)
                    // Of a part that another one has replaced, the digest is unknown.
                    if engine == nil { try? record(FileDigests(holdings), look) }
                    return true
                } catch {
                    failure = .failed(StoreCause(error))
                    switch error {
                    case .invalidPart:
                        // A host that was late, or has died, has replaced a part.
                        engine = try engineParts(path, multipart)
                        continue
                    case .exists: return try isPublished(path, size: claim.size, seal)
                    case .noSuchUpload, .noSuchKey: break
                    default: throw failure
                    }
                }
            }
            // The multipart upload has ended: an earlier call, perhaps of another host, has completed it.
            if try isPublished(path, size: claim.size, seal) { return true }
            try abandoned(look, claim)
            return nil
        }
        throw failure
    }

    /// Handles a multipart upload that is gone although its file is not there. Returns if another request has published
    /// the file, and somebody has moved it since.
    private func abandoned(_ look: Look, _ claim: Claim) throws(StoreError) {
        let after = try self.look(look.id)
        guard after.generation?.name == look.generation?.name, case .finishing = after.phase else { return }
        // The engine may show the file a little later, so this waits until no call can be under way.
        guard let added = look.holdings(claim).added, added + ObjectStore.stepSeconds <= now() else {
            throw .failed(StoreCause("the engine shows neither the multipart upload nor its file"))
        }
        try giveUp(look, claim, "the engine has lost the multipart upload")
    }

    /// Records that a file was published, tells of it, and removes what is not needed any more.
    ///
    /// - Parameters:
    ///   - digest: that of the file's bytes, if it was put whole and is known.
    ///   - putBy: the earlier generation that has put the file.
    /// - Returns: the path; nil if another request has done that.
    func conclude(
        _ look: Look, _ generation: Generation.Name, _ claim: Claim, _ path: String, digest: String? = nil,
        putBy: Generation.Name? = nil
    ) throws(StoreError) -> String? {
        try finishSlot(claim.slot)
        let began = MonotonicClock.seconds
        var outcome = Outcome(claim, path: path, finished: now(), digest: digest, putBy: putBy)
        // A file that turned out to be an earlier one has had its event.
        let note = putBy == nil ? try note(outcome, generation) : nil
        if let note { outcome = note.outcome }
        let isFirst = try create(look.folder, generation, .done) { outcome.write(to: &$0) }
        if isFirst {
            // The observer looks for the events. If this fails, they are made a little later.
            if let note { try? makeEvents(note, generation) }
            observe(.finished(outcome.summary))
        } else if note != nil {
            // It may have come too late.
            try? useNote(UploadKey(claim.id).text, generation)
        }
        // The file is published, so trouble from here on is no trouble of the client. A sweep cleans up.
        if putBy != nil {
            try? clear(look.folder, generation)
        } else {
            try? cleanUp(look, generation, path, isFirst: isFirst, since: began)
        }
        return isFirst ? path : nil
    }

    /// Removes what a published file does not need: records, as far as a look has shown them, and the reservation.
    ///
    /// Only the request that has created `done` gives the name back, and without a look who has it: nobody else does so
    /// within minutes.
    ///
    /// - Parameters:
    ///   - path: that of the file.
    ///   - isFirst: true if this request has created `done`.
    ///   - began: when it began to, by the monotonic clock, in seconds.
    private func cleanUp(
        _ look: Look, _ generation: Generation.Name, _ path: String, isFirst: Bool, since began: UInt64
    ) throws(StoreError) {
        var unneeded = records(in: look.listing, look.folder, generation)
        if isFirst && settings.onConflict != .replace && MonotonicClock.seconds < began + ObjectStore.quietSeconds {
            unneeded.append(keys.reservation(path))
        }
        if !unneeded.isEmpty { try onEngine { [unneeded] () throws(S3Error) in try bucket.delete(unneeded) } }
    }

    /// Ends an upload that cannot be published. Returns if another request has ended it, perhaps because the file is
    /// there.
    ///
    /// - Throws: `StoreError.untrusted` if this request has ended it.
    func giveUp(_ look: Look, _ claim: Claim, _ cause: String) throws(StoreError) {
        guard let generation = look.generation?.name else { return }
        let isFirst: Bool
        if case .live = look.phase {
            try closeLedger(look)
            isFirst = try create(look.folder, generation, .end) { Ending.removed(.lost).write(to: &$0) }
        } else {
            isFirst = try endWithoutFile(look.folder, generation, claim)
        }
        guard isFirst else { return }
        observe(.removed(claim.summary(held: look.holdings(claim).held.count, touched: now()), .lost))
        try? clear(look.folder, generation)
        throw .untrusted(StoreCause("\(look.folder): \(cause)"))
    }

    /// Records that a generation has ended without a file.
    ///
    /// - Returns: true if this call has done it.
    func endWithoutFile(
        _ folder: String, _ generation: Generation.Name, _ claim: Claim
    ) throws(StoreError) -> Bool {
        try put(.fileless, folder, generation)
        return try create(folder, generation, .done) {
            Outcome(claim, path: nil, finished: now()).write(to: &$0)
        }
    }
}
