import Glibc
import Linux
import Synchronization
import UploadModel

// Begins the upload of a request, or one that takes the place of another (Lookup.swift says which may).

extension LocalStore {
    /// The upload of a chunk, which may be finished. Begins it if there is none, or one that it replaces.
    func begin(_ chunk: ChunkRequest) throws(StoreError) -> Upload {
        for _ in 0..<LocalStore.maximumAttempts {
            if let upload = try find(chunk.upload) {
                guard let contradiction = try learn(chunk, upload) else { return upload }
                try makeWay(upload, contradiction)
            }
            try checkFolders()
            guard let destination = try admittedUnlessReceived(chunk) else { continue }
            if let upload = try create(chunk, destination) { return upload }
        }
        throw .busy
    }

    /// Removes an upload that one of another size replaces.
    private func makeWay(_ upload: Upload, _ contradiction: Contradiction) throws(StoreError) {
        switch contradiction {
        case .underWay(let size, _):
            guard settings.onSizeChange == .restart,
                try removeIfQuiet(upload, seconds: LocalStore.quietSeconds, cause: .superseded)
            else {
                throw .sizeDiffers(known: size)
            }
        case .otherVersion:
            guard try removeIfQuiet(upload, seconds: LocalStore.quietSeconds, cause: .superseded) else {
                throw .postponed(
                    "Another version of this file is being uploaded", seconds: Int(LocalStore.quietSeconds))
            }
        case .finished:
            _ = try upload.change { journal throws(FileError) in try forget(journal, upload.key) }
        }
        cache.drop(upload)
    }

    /// Begins an upload. Nil if another thread or process has begun it, or if a finished one had to be removed first:
    /// then the caller looks it up again.
    private func create(_ chunk: ChunkRequest, _ destination: Destination) throws(StoreError) -> Upload? {
        try withTokenQuota(of: chunk) { () throws(StoreError) in try createAllowed(chunk, destination) }
    }

    private func createAllowed(_ chunk: ChunkRequest, _ destination: Destination) throws(StoreError) -> Upload? {
        let id = chunk.upload
        let key = UploadKey(id)
        if case .sized(let total, let chunkSize, let layout) = chunk.place {
            let length = max(chunkSize, layout.lengths[0])
            let (limit, overflow) = length.multipliedReportingOverflow(by: Journal.maximumChunks)
            if !overflow, total > limit, total <= (try onDisk { () throws(FileError) in try root.space() }).total {
                throw .tooLarge(limit: limit)
            }
        }
        let header = JournalHeader(begun: time, chunk: chunk)
        let files = UploadFiles(key: key, nonce: header.nonce)
        let file = try onDisk { () throws(FileError) in try state.create(key.journal) }
        var reserved: UInt64 = 0
        let journal = try onDiskLocked(file) { () throws(StoreError) -> Journal? in
            let old = try onDisk { () throws(FileError) -> Journal? in
                guard try file.status().names > 0 else { return nil }
                return try Journal.read(file)
            }
            // Another request was faster.
            if old != nil { return nil }
            guard try onDisk({ () throws(FileError) in try file.status().names > 0 }) else { return nil }
            // The file may have been published in one chunk before the journal had its name (`WholeFileWriter`).
            let record = try record(of: id)
            if let record, chunk.isOfFile(of: record.size) {
                try onDisk { () throws(FileError) in try state.remove(key.journal) }
                return nil
            }
            // The file is new, or a process died while it began the upload: no chunk was acknowledged.
            do throws(StoreError) {
                // The journal is created first and removed last. So a process that dies in between leaves no data file
                // without a journal; a journal without data file counts as no upload.
                var journal = try onDisk { () throws(FileError) in
                    try Journal.begin(file, header: header, boot: boot)
                }
                journal.trust()
                let data = try onDisk { () throws(FileError) in try state.create(files.data) }
                reserved = try reserve(for: chunk, data)
                tell(journal) { .begun($0) }
                if let record { removeRecord(of: record.header, (0, record.inode)) }
                return journal
            } catch {
                // Leave nothing behind.
                try? state.remove(files.data)
                try? state.remove(key.journal)
                throw error
            }
        }
        guard let journal else { return nil }
        let upload = Upload(
            id: id, key: key, files: files, destination: destination, state: state, journal: journal,
            observe: observe)
        upload.reserved.store(reserved, ordering: .relaxed)
        return cache.keep(upload)
    }

    /// The same as `admitted`. Nil if the name is that of this upload's file, which came in one chunk since the upload was
    /// looked up: then the caller looks again.
    private func admittedUnlessReceived(_ chunk: ChunkRequest) throws(StoreError) -> Destination? {
        do { return try admitted(chunk) } catch {
            guard case .nameTaken = error else { throw error }
            if let record = try record(of: chunk.upload), chunk.isOfFile(of: record.size) { return nil }
            // That file may have given way to a journal since the name was looked at.
            return try admitted(chunk)
        }
    }

    /// Asks whether the upload of a chunk may be begun. Refuses a name now that would be refused when the file is
    /// finished.
    ///
    /// - Returns: where its file goes.
    func admitted(_ chunk: ChunkRequest) throws(StoreError) -> Destination {
        let destination = try Destination(
            chunk.upload, relativePath: chunk.relativePath, layout: settings.layout)
        try admit(chunk, try checkName(destination))
        return destination
    }

    /// - Returns: how many folders have to be created for the file.
    private func checkName(_ destination: Destination) throws(StoreError) -> Int {
        do throws(FileError) {
            let (folder, missing) = try destination.openExisting(from: root)
            if missing == 0, settings.onConflict == .refuse, try folder.status(destination.filename.text) != nil {
                throw FileError(operation: "take", name: destination.filename.text, code: EEXIST)
            }
            return missing
        } catch {
            if error.isNotAFolder, (try? destination.leadsIntoState(root)) == true { throw .nameReserved }
            if error.isNotAFolder || error.code == EEXIST { throw .nameTaken }
            throw StoreError(error)
        }
    }
}

/// Calls `work` while the journal in `file` is locked.
private func onDiskLocked<Result>(
    _ file: any File, _ work: () throws(StoreError) -> Result
) throws(StoreError) -> Result {
    _ = try onDisk { () throws(FileError) in try file.lock(offset: 0, length: 1, wait: true) }
    defer { file.unlock(offset: 0, length: 1) }
    return try work()
}

extension ChunkRequest {
    /// False if the client states another size of the file.
    fileprivate func isOfFile(of size: UInt64) -> Bool {
        if case .sized(let total, _, _) = place { total == size } else { true }
    }
}
