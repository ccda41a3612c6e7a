import Linux
import S3
import UploadModel
package import UploadStore

extension ObjectStore {
    package func visitUploads(
        _ visit: (UploadSummary) -> Void, unreadable: (StoreError) -> Void
    ) throws(StoreError) {
        try visitLooks { look in
            if let summary = summary(look) { visit(summary) }
        } unreadable: { error in
            unreadable(error)
        }
    }

    private func summary(_ look: Look) -> UploadSummary? {
        switch look.phase {
        case .none: return nil
        case .live(let claim), .finishing(let claim, _):
            let holdings = look.holdings(claim)
            return claim.summary(held: holdings.held.count, touched: look.lastSign(claim, holdings))
        case .whole(let claim, _): return claim.summary(held: 0, touched: claim.begun)
        case .finished(let outcome, _): return outcome.summary
        }
    }

    package func visitUnfinished(
        _ visit: (UploadSummary) -> Void, unreadable: (StoreError) -> Void
    ) throws(StoreError) {
        try visitLooks { look in
            if !look.isOver, let summary = summary(look) { visit(summary) }
        } unreadable: { error in
            unreadable(error)
        } leavingOut: {
            $0.isOver
        }
    }

    /// Counts by a listing, and reads the documents only of those that were ended.
    package func countUnderWay() throws(StoreError) -> Int {
        var count = 0
        try visitFolders { folder, objects in
            let listing = Listing(objects, folder: folder)
            if listing.isOver { return }
            if listing.isEnding {
                guard let look = try? look(folder, listing), !look.isOver else { return }
            }
            count += 1
        }
        return count
    }

    /// Looks at every upload that is not over without a file. One that was deleted meanwhile is left out.
    ///
    /// - Parameters:
    ///   - unreadable: called for each upload whose documents cannot be read.
    ///   - isLeftOut: tells which uploads to leave out, whose documents then are not read.
    /// - Throws: `StoreError` if the uploads cannot be listed.
    func visitLooks(
        _ visit: (Look) -> Void, unreadable: (StoreError) -> Void = { _ in },
        leavingOut isLeftOut: (Listing) -> Bool = { _ in false }
    ) throws(StoreError) {
        try visitFolders { folder, objects in
            let listing = Listing(objects, folder: folder)
            if isLeftOut(listing) { return }
            do throws(StoreError) {
                if let look = try look(folder, listing) { visit(look) }
            } catch { unreadable(error) }
        }
    }

    /// Passes the objects of every upload on, one upload after the other: their keys follow each other in a listing,
    /// so no more than one upload is in memory.
    func visitFolders(_ visit: (_ folder: String, [ListedObject]) -> Void) throws(StoreError) {
        var (folder, own): (String, [ListedObject]) = ("", [])
        try onEngine { () throws(S3Error) in
            try bucket.visit(keys.uploads) { objects in
                for object in objects {
                    if own.isEmpty || !object.key.utf8.starts(with: folder.utf8) {
                        if !own.isEmpty { visit(folder, own) }
                        let name = object.key.dropFirst(keys.uploads.count).prefix { $0 != "/" }
                        (folder, own) = ("\(keys.uploads)\(name)/", [])
                    }
                    own.append(object)
                }
            }
        }
        if !own.isEmpty { visit(folder, own) }
    }

    /// Looks at the upload of a folder, whose documents tell which upload it is; nil if it is over without a file.
    func look(_ folder: String, _ listing: Listing) throws(StoreError) -> Look? {
        guard let generation = listing.generations.last(where: { $0.isBegun }),
            let phase = try phase(folder, generation),
            let generation = try withLedger(generation, folder, phase)
        else { return nil }
        let id: UploadID? =
            switch phase {
            case .none: nil
            case .live(let claim), .finishing(let claim, _), .whole(let claim, _): claim.id
            case .finished(let outcome, _): outcome.claim.id
            }
        guard let id, keys.upload(UploadKey(id)) == folder else { return nil }
        return Look(id: id, folder: folder, listing: listing, generation: generation, phase: phase)
    }

    // MARK: Health

    /// The storage has no limit that an engine would tell.
    package func space() throws(StoreError) -> StoreSpace? { nil }

    package func checkWritable() throws(StoreError) {
        let key = "\(keys.trials)\(random().hexDigits)"
        try onEngine { () throws(S3Error) in
            try bucket.put(key, [UInt8](), metadata: [:], ifAbsent: false)
            try bucket.delete([key])
        }
        do throws(FileError) { _ = try scratch.createNameless() } catch {
            throw .failed(StoreCause("\(error)", summary: "the folder of --spool cannot be written"))
        }
    }
}
