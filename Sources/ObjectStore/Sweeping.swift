import Linux
import S3
import UploadModel
package import UploadStore

// Keeps the bucket tidy. Every host may sweep, also at the same time: everything that is removed is over, and what ends
// an upload is created once.

extension ObjectStore {
    /// How long what a dead host has left is kept, in seconds: longer than any request lasts.
    static let leftoverSeconds: UInt64 = 24 * 3600
    /// How long a reservation without an upload is kept, in seconds.
    private static let reservationSeconds: UInt64 = 3600
    /// How long the uploads of a token are counted after the last one, in seconds: longer than any token should be
    /// valid.
    private static let tokenSeconds: UInt64 = 400 * 24 * 3600

    package func recover() -> [StoreError] {
        var failures: [StoreError] = []
        let listing = attempt { () throws(StoreError) in
            try visitLooks { look in
                failures += attempt { () throws(StoreError) in try carryOn(look) }
            } unreadable: { error in
                failures.append(error)
            } leavingOut: {
                $0.isOver
            }
        }
        return failures + listing
    }

    package func finishWaiting() {
        let due = waiting.withLock { waiting in
            let due = waiting.filter { $0.value <= now() }.map(\.key)
            for id in due { waiting[id] = nil }
            return due
        }
        for id in due {
            // Its request has long been answered: a failure shows with the next one, or in a sweep.
            guard let look = try? look(id) else { continue }
            if case .live(let claim) = look.phase, isQuiet(look, claim) { _ = try? finish(id, settling: true) }
        }
    }

    package func sweep() -> SweepReport {
        var report = SweepReport()
        var multiparts: Set<String> = []
        let listing = attempt { () throws(StoreError) in
            try visitFolders { folder, objects in
                let listing = Listing(objects, folder: folder)
                // There may be very many finished uploads, and their documents need not be read.
                if listing.isSwept(at: now(), expire: settings.expire, leftover: ObjectStore.leftoverSeconds) {
                    return
                }
                report.failures += attempt { () throws(StoreError) in try clearAll(folder, listing) }
                report.failures += attempt { () throws(StoreError) in
                    guard let look = try look(folder, listing) else {
                        return try sweepRemoved(folder, objects)
                    }
                    try carryOn(look)
                    if let removed = try expire(look) { report.removed.append(removed) }
                    try forgetOldGenerations(look)
                    if let multipart = try multipart(of: look) { multiparts.insert(multipart) }
                }
            }
        }
        report.failures += listing
        // Without a whole listing it is unknown which multipart uploads are needed.
        if listing.isEmpty {
            report.failures += attempt { () throws(StoreError) in try sweepMultiparts(but: multiparts) }
        }
        for work in [sweepReservations, sweepTokens, sweepTrials, sweepEvents] {
            report.failures += attempt(work)
        }
        return report
    }

    /// Does some work, and returns the failure, if there was one.
    private func attempt(_ work: () throws(StoreError) -> Void) -> [StoreError] {
        do throws(StoreError) {
            try work()
            return []
        } catch { return [error] }
    }

    /// Finishes what a host left undone when it died.
    private func carryOn(_ look: Look) throws(StoreError) {
        switch look.phase {
        case .none, .finished: break
        case .finishing: try finish(look.id)
        case .whole(let claim, let target): _ = try resolveWhole(look, claim, target)
        case .live(let claim):
            let holdings = look.holdings(claim)
            if holdings.isComplete || holdings.isCompleteWithProvisional && isQuiet(look, claim) {
                try finish(look.id, settling: true)
            }
        }
    }

    /// Removes an upload that no client has sent to or asked for, or the record of a finished one.
    ///
    /// - Returns: the upload, if it was removed.
    private func expire(_ look: Look) throws(StoreError) -> UploadSummary? {
        guard settings.expire > 0 else { return nil }
        switch look.phase {
        case .none, .finishing, .whole: return nil
        case .finished(let outcome, _):
            guard outcome.finished + settings.expire <= now() else { return nil }
            try forget(look)
            observe(.forgotten(outcome.summary))
            return outcome.summary
        case .live(let claim):
            guard look.lastSign(claim, look.holdings(claim)) + settings.expire <= now(),
                let generation = look.generation?.name
            else {
                return nil
            }
            try closeLedger(look)
            let fade = keys.mark(look.folder, generation, .fade(now(), id: random().hexDigits))
            let deadline = MonotonicClock.seconds + 60
            try onEngine { () throws(S3Error) in try bucket.put(fade, [UInt8](), metadata: [:], ifAbsent: false) }
            // A client that comes from now on sees the mark and waits. One that came before has left its own.
            let after = try self.look(look.id)
            var removed: UploadSummary?
            if after.generation?.name == generation, case .live(let claim) = after.phase {
                let holdings = after.holdings(claim)
                let sign = after.lastSign(claim, holdings)
                if sign + settings.expire <= now(), MonotonicClock.seconds < deadline,
                    try end(after, claim, because: .expired)
                {
                    removed = claim.summary(held: holdings.held.count, touched: sign)
                }
            }
            try onEngine { () throws(S3Error) in try bucket.delete([fade]) }
            return removed
        }
    }

    /// Removes all objects of an upload, `done` last: it is the one that tells that the upload is over. The entry that
    /// closes its ledger stays for longer than a host may be stopped that would add to it (`sweepRemoved`).
    private func forget(_ look: Look) throws(StoreError) {
        try makeEvents(of: look.listing.generations, in: look.folder)
        let closing = look.generation.flatMap { generation in
            generation.ledger.closing.map { keys.entry(look.folder, generation.name, $0) }
        }
        try delete(look.listing.keys.filter { $0 != closing }) { $0.hasSuffix(".done") }
    }

    /// Deletes objects, those of which `isLast` is true after the others.
    private func delete(_ keys: [String], last isLast: (String) -> Bool) throws(StoreError) {
        for keys in [keys.filter { !isLast($0) }, keys.filter(isLast)] where !keys.isEmpty {
            try onEngine { () throws(S3Error) in try bucket.delete(keys) }
        }
    }

    /// Removes generations that are over and were followed by others. What the newest one needs of the one before stays
    /// while it is not finished.
    private func forgetOldGenerations(_ look: Look) throws(StoreError) {
        guard case .finished(let outcome, _) = look.phase, let newest = look.generation,
            outcome.finished + ObjectStore.leftoverSeconds <= now()
        else { return }
        let old = look.listing.keys.filter { key in
            let words = key.dropFirst(look.folder.count).split(separator: "/")
            guard words.count > 1 else { return false }
            let name = Generation.Name(words[1].prefix { $0 != "." })
            guard let name else { return false }
            let isClosing = words.last.flatMap { Int($0, radix: 16) } == newest.ledger.closing
            // Another host has published the file after all.
            if name == newest.name && words[1].hasSuffix(".\(Mark.fileless.text)") { return true }
            return name < newest.name || name == newest.name && (words[0] == "c" || words[0] == "l" && !isClosing)
        }
        if old.isEmpty { return }
        try makeEvents(of: look.listing.generations.filter { $0.name < newest.name }, in: look.folder)
        try onEngine { () throws(S3Error) in try bucket.delete(old) }
    }

    /// Removes what is left of an upload that was removed, once no request can know of it any more.
    private func sweepRemoved(_ folder: String, _ objects: [ListedObject]) throws(StoreError) {
        let listing = Listing(objects, folder: folder)
        if let generation = listing.generations.last(where: { $0.isBegun }) {
            // Only what is known to be over is removed. That is also an end without a claim, of a host that was stopped
            // until the upload was forgotten.
            let isOrphan = generation.marks[.claim] == nil && generation.marks[.done] == nil
            if !isOrphan, try !isOver(folder, generation) { return }
        }
        let last = objects.map { $0.modified ?? .max }.max() ?? .max
        guard last < .max, last + max(ObjectStore.leftoverSeconds, settings.expire) <= now() else { return }
        // The marks that tell that it is over go last.
        try delete(objects.map(\.key)) { $0.hasSuffix(".end") || $0.hasSuffix(".done") }
    }

    private func isOver(_ folder: String, _ generation: Generation) throws(StoreError) -> Bool {
        if case Look.Phase.none? = try phase(folder, generation) { true } else { false }
    }

    /// Gives back the names that dead hosts have reserved for uploads that are over.
    private func sweepReservations() throws(StoreError) {
        let objects = try onEngine { () throws(S3Error) in try bucket.listAll(keys.names) }
        for object in objects {
            guard let reservation = try documents.fields(object.key, object.etag, in: bucket).flatMap(Reservation.init),
                reservation.time + ObjectStore.reservationSeconds <= now()
            else { continue }
            let folder = keys.folder(of: reservation)
            let listing = Listing(try onEngine { () throws(S3Error) in try bucket.listAll(folder) }, folder: folder)
            if let generation = listing[reservation.generation], generation.isBegun,
                let phase = try phase(folder, generation)
            {
                // The request that has ended it may be about to give the name back.
                if let decided = generation.decided, decided + ObjectStore.stepSeconds > now() { continue }
                // A host that has died may have reserved another name for the upload than the one that was chosen.
                let target: Target? =
                    switch phase {
                    case .live, .finishing:
                        try generation.marks[.target].flatMap { etag throws(StoreError) in
                            try documents.fields(keys.mark(folder, generation.name, .target), etag, in: bucket)
                        }.flatMap { Target($0) }
                    case .whole(_, let target): target
                    case .none, .finished: nil
                    }
                if let target, keys.reservation(target.path) == object.key { continue }
            }
            // Another sweep may have removed it, and another upload reserved the name since.
            try release(object.key) { $0 == reservation }
        }
    }

    /// The id of an upload's multipart upload.
    private func multipart(of look: Look) throws(StoreError) -> String? {
        guard let generation = look.generation, let etag = generation.marks[.target] else { return nil }
        let key = keys.mark(look.folder, generation.name, .target)
        return try documents.fields(key, etag, in: bucket).flatMap { Target($0) }?.multipart
    }

    /// Aborts multipart uploads that no upload knows: a host has died before it could record them.
    private func sweepMultiparts(but known: Set<String>) throws(StoreError) {
        let open = try onEngine { () throws(S3Error) in try bucket.openMultiparts(keys.prefix) }
        for multipart in open where !known.contains(multipart.id) {
            guard let begun = multipart.begun, begun + ObjectStore.leftoverSeconds <= now() else { continue }
            try onEngine { () throws(S3Error) in try bucket.abortMultipart(multipart.key, upload: multipart.id) }
        }
    }

    /// Removes what tests of the engine have left whose host has died.
    private func sweepTrials() throws(StoreError) {
        for folder in [keys.trials, keys.probes] {
            let old = try onEngine { () throws(S3Error) in try bucket.listAll(folder) }.filter { object in
                object.modified.map { $0 + ObjectStore.leftoverSeconds <= now() } ?? false
            }
            if !old.isEmpty { try onEngine { () throws(S3Error) in try bucket.delete(old.map(\.key)) } }
        }
    }

    /// Removes the slots of tokens that were not used for a long time.
    private func sweepTokens() throws(StoreError) {
        let objects = try onEngine { () throws(S3Error) in try bucket.listAll(keys.tokens) }
        var folders: [String: [ListedObject]] = [:]
        for object in objects {
            folders[String(object.key.dropFirst(keys.tokens.count).prefix { $0 != "/" }), default: []].append(object)
        }
        for slots in folders.values {
            let last = slots.map { $0.modified ?? .max }.max() ?? .max
            guard last < .max, last + ObjectStore.tokenSeconds <= now() else { continue }
            try onEngine { () throws(S3Error) in try bucket.delete(slots.map(\.key)) }
        }
    }
}
