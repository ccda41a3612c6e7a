import Linux
import S3
import UploadModel
import UploadStore

// How a finished file gets its name. A multipart upload has its key from the start, so the name is chosen when the
// first part is put; for a file of a single cell when all of it is held. A name is reserved before that, by an object
// that one generation can create, so that two uploads never publish under one name, also on engines that cannot
// complete a multipart upload conditionally. The reservation comes first, then the look whether a file has the name: an
// upload that publishes meanwhile still has its own reservation.

extension ObjectStore {
    /// Chooses the path of a file and reserves it.
    ///
    /// - Throws: `StoreError.nameTaken` if the policy is to refuse.
    func chooseName(
        _ id: UploadID, _ relativePath: RelativePath?, for generation: Generation.Name
    ) throws(StoreError) -> String {
        let destination = try destination(id, relativePath)
        let seal = ObjectStore.seal(of: id, generation)
        if settings.onConflict == .replace { return destination.path(0) }
        var taken: UInt64?
        for _ in 0..<1000 {
            // Nearly always the first name is free, and reserving it tells.
            let number = try taken.map { taken throws(StoreError) in
                try freeNumber(after: taken) { number throws(StoreError) in
                    try isTaken(destination.path(number), for: seal)
                }
            }
            let path = destination.path(number ?? 0)
            if try reserve(path, id, generation) {
                let head = try onEngine { () throws(S3Error) in try bucket.find(keys.file(path)) }
                if head == nil || head?.metadata[ObjectStore.seal] == seal { return path }
                try release(path, keys.upload(UploadKey(id)), generation)
            }
            if settings.onConflict == .refuse { throw .nameTaken }
            taken = number ?? 0
        }
        throw .busy
    }

    private func isTaken(_ path: String, for seal: String) throws(StoreError) -> Bool {
        try onEngine { () throws(S3Error) in
            if let head = try bucket.find(keys.file(path)), head.metadata[ObjectStore.seal] != seal { return true }
            return try bucket.find(keys.reservation(path)) != nil
        }
    }

    /// Reserves a name.
    ///
    /// - Returns: false if another generation has it.
    private func reserve(_ path: String, _ id: UploadID, _ generation: Generation.Name) throws(StoreError) -> Bool {
        let own = Reservation(upload: UploadKey(id).text, generation: generation, time: now())
        var fields = Fields()
        own.write(to: &fields)
        let creation = try onEngine { () throws(S3Error) in
            try bucket.create(keys.reservation(path), fields.body)
        }
        switch creation {
        case .created: return true
        case .exists(let body):
            guard let other = body.flatMap({ Fields($0) }).flatMap({ Reservation($0) }) else { return false }
            return other.upload == own.upload && other.generation == own.generation
        }
    }

    /// Gives a name back, if the generation has reserved it.
    ///
    /// - Parameter folder: that of the upload.
    func release(_ path: String, _ folder: String, _ generation: Generation.Name) throws(StoreError) {
        if settings.onConflict == .replace { return }
        try release(keys.reservation(path)) { keys.folder(of: $0) == folder && $0.generation == generation }
    }

    /// Removes a reservation if it is the one that is meant.
    func release(_ key: String, if isMeant: (Reservation) -> Bool) throws(StoreError) {
        guard let found = try document(key).flatMap({ Fields($0) }).flatMap({ Reservation($0) }), isMeant(found) else {
            return
        }
        try onEngine { () throws(S3Error) in try bucket.delete([key]) }
    }

    /// Chooses the name of a live upload's file, and begins its multipart upload, if that was not done yet.
    func target(_ look: Look, _ claim: Claim) throws(StoreError) -> Target {
        guard let generation = look.generation else { throw .busy }
        let key = keys.mark(look.folder, generation.name, .target)
        if let etag = generation.marks[.target] {
            guard let target = try documents.fields(key, etag, in: bucket).flatMap({ Target($0) }) else { throw .busy }
            return target
        }
        let path = try chooseName(claim.id, claim.relativePath, for: generation.name)
        let isMultipart = (claim.grid?.count ?? 1) > 1 || publishesOnce
        let multipart = try isMultipart ? beginMultipart(path, look.seal(generation.name)) : nil
        let target = Target(path: path, multipart: multipart)
        var fields = Fields()
        target.write(to: &fields)
        fields["nonce"] = random().hexDigits
        let creation = try onEngine { () throws(S3Error) in try bucket.create(key, fields.body) }
        writer(look.folder, generation.name)?.noteTarget()
        switch creation {
        case .created:
            documents.remember(fields, key)
            return target
        case .exists(let body):
            if let multipart {
                try onEngine { () throws(S3Error) in try bucket.abortMultipart(keys.file(path), upload: multipart) }
            }
            guard let other = body.flatMap({ Fields($0) }).flatMap({ Target($0) }) else { throw .busy }
            if other.path != path { try release(path, look.folder, generation.name) }
            return other
        }
    }

    /// True if even a file of a single part is published as a multipart upload. Where it may replace another file, a PUT
    /// by a host that was stopped for a while could put an older file in the place of a newer one. A multipart upload is
    /// completed once.
    var publishesOnce: Bool { settings.onConflict == .replace }

    func beginMultipart(_ path: String, _ seal: String) throws(StoreError) -> String {
        try onEngine { () throws(S3Error) in
            try bucket.createMultipart(keys.file(path), metadata: [ObjectStore.seal: seal])
        }
    }

    /// True if the file of a finished upload is where it was put, as it was.
    func stands(_ path: String, _ outcome: Outcome, _ look: Look) throws(StoreError) -> Bool {
        guard let generation = look.generation else { return false }
        return try isPublished(path, size: outcome.claim.size, look.seal(outcome.putBy ?? generation.name))
    }

    /// True if the file at `path` is that of a generation.
    func isPublished(_ path: String, size: UInt64, _ seal: String) throws(StoreError) -> Bool {
        let head = try onEngine { () throws(S3Error) in try bucket.find(keys.file(path)) }
        return head.map { $0.size == size && $0.metadata[ObjectStore.seal] == seal } ?? false
    }
}
