import Linux
import S3
import UploadModel
import UploadStore

// A generation that has ended without a file leaves the name that it has reserved, its multipart upload, and its records.
// The request that ends the generation removes them, and marks that (`Mark.cleared`). If one of its calls fails or its
// host dies, the mark is missing. Then the next request that begins or removes the upload carries on, or the next sweep.

extension Generation {
    /// True if it has ended without a file, as far as a listing tells, and what it has left may not be removed yet.
    var needsClearing: Bool {
        guard marks[.claim] != nil, marks[.cleared] == nil else { return false }
        return marks[.done] == nil ? marks[.end] != nil : marks[.fileless] != nil
    }
}

extension ObjectStore {
    /// How long after the end of a generation others leave its clearing to the request that has ended it, in seconds:
    /// longer than a few calls to the engine last. Otherwise both might give the name back, and the later one would take
    /// it from an upload that has reserved it in between.
    static let clearingSeconds: UInt64 = 120

    /// Removes what a generation has left that has ended without a file.
    ///
    /// - Parameter target: that of a file that was to be put whole; nil: the one that the objects tell.
    /// - Throws: `StoreError` for the first step that has failed. The other steps are done.
    func clear(_ folder: String, _ generation: Generation.Name, target known: Target? = nil) throws(StoreError) {
        var failures: [StoreError] = []
        func attempt(_ step: () throws(StoreError) -> Void) {
            do throws(StoreError) { try step() } catch { failures.append(error) }
        }
        attempt { () throws(StoreError) in
            let target = if let known { known } else { try target(of: generation, folder) }
            guard let target else { return }
            // First, because a client notices that its name is taken. Nothing can complete the multipart upload.
            attempt { () throws(StoreError) in try release(target.path, folder, generation) }
            guard let multipart = target.multipart else { return }
            attempt { () throws(StoreError) in
                try onEngine { () throws(S3Error) in
                    try bucket.abortMultipart(keys.file(target.path), upload: multipart)
                }
            }
        }
        attempt { () throws(StoreError) in
            let objects = try onEngine { () throws(S3Error) in try bucket.listAll(folder) }
            let records = records(in: Listing(objects, folder: folder), folder, generation)
            if !records.isEmpty { try onEngine { () throws(S3Error) in try bucket.delete(records) } }
        }
        if let failure = failures.first { throw failure }
        try put(.cleared, folder, generation)
    }

    /// The name that was chosen for a generation's file; nil if there is none.
    private func target(of generation: Generation.Name, _ folder: String) throws(StoreError) -> Target? {
        let key = keys.mark(folder, generation, .target)
        if let body = try document(key) { return try understood(Fields(body).flatMap { Target($0) }, key) }
        let claim = keys.mark(folder, generation, .claim)
        guard let body = try document(claim) else { return nil }
        guard case .whole(_, let target) = try understood(Fields(body).flatMap { Beginning($0) }, claim) else {
            return nil
        }
        return target
    }

    /// The keys of a generation's records and of the entries of its ledger, except for the one that closes it.
    func records(in listing: Listing, _ folder: String, _ generation: Generation.Name) -> [String] {
        let (cells, ledger) = (keys.cells(folder, generation), keys.ledger(folder, generation))
        let closing = listing[generation]?.ledger.closing.map { keys.entry(folder, generation, $0) }
        return listing.keys.filter { $0.hasPrefix(cells) || $0.hasPrefix(ledger) && $0 != closing }
    }

    /// Carries on with the clearing of the last generation of an upload that is over without a file.
    ///
    /// - Throws: `StoreError.busy` if the request that has ended it may still be at work.
    func clearLast(_ look: Look) throws(StoreError) {
        guard case .none = look.phase, let generation = look.generation, generation.needsClearing else { return }
        guard isLeft(generation) else { throw .busy }
        // An engine that refuses this must not keep the upload from being sent again. A sweep reports it.
        try? clear(look.folder, generation.name)
    }

    /// True if the request that has ended a generation is over, or its host is dead.
    private func isLeft(_ generation: Generation) -> Bool {
        generation.decided.map { $0 + ObjectStore.clearingSeconds <= now() } ?? false
    }

    /// Carries on with the clearing of all generations of an upload.
    func clearAll(_ folder: String, _ listing: Listing) throws(StoreError) {
        for generation in listing.generations where generation.needsClearing && isLeft(generation) {
            // The marks of one that is being published look alike.
            if case .none? = try phase(folder, generation) { try clear(folder, generation.name) }
        }
    }

    /// Puts a mark that has no content.
    func put(_ mark: Mark, _ folder: String, _ generation: Generation.Name) throws(StoreError) {
        let key = keys.mark(folder, generation, mark)
        try onEngine { () throws(S3Error) in try bucket.put(key, [UInt8](), metadata: [:], ifAbsent: false) }
    }
}
