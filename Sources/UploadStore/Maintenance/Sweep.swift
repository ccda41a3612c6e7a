import UploadModel

// What nobody needs any more: uploads that nobody sends to, records of finished ones, and what a process left behind
// that died while it began one. An upload is removed only while nobody holds a range of it; who comes at that moment
// finds it gone and begins anew.

extension LocalStore {
    /// How long something half made may lie before it is cleared: longer than making it takes.
    private static let halfMadeSeconds: UInt64 = 3600

    /// What a sweep did.
    package struct SweepReport: Sendable {
        /// The uploads that were removed.
        package var removed: [UploadSummary] = []
        /// What could not be swept, with the cause.
        package var failures: [StoreError] = []
    }

    /// Removes what has expired.
    package func sweep() -> SweepReport {
        var report = SweepReport()
        do throws(StoreError) {
            var wanted: Set<String> = []
            let names = try onDisk { () throws(FileError) in try state.names() }
            for name in names where name.hasSuffix(UploadFiles.journalSuffix) {
                do throws(StoreError) {
                    let swept = try sweep(journal: name)
                    if let data = swept.data { wanted.insert(data) }
                    if let removed = swept.removed { report.removed.append(removed) }
                } catch {
                    report.failures.append(error)
                }
            }
            for name in names
            where !name.hasSuffix(UploadFiles.journalSuffix) && !wanted.contains(name) && name != Outbox.folder
                && name != LocalStore.tokenQuotaFile
            {
                do throws(StoreError) { try clear(name) } catch { report.failures.append(error) }
            }
            try Outbox(self).sweep()
            // What has expired must not come back with a power cut.
            if !report.removed.isEmpty { try onDisk { () throws(FileError) in try state.sync() } }
        } catch {
            report.failures.append(error)
        }
        return report
    }

    /// - Returns: the data file that belongs to the journal, if that stays; what was removed, if not.
    private func sweep(journal name: String) throws(StoreError) -> (data: String?, removed: UploadSummary?) {
        try onDisk { () throws(FileError) in
            guard let file = try state.open(name) else { return (nil, nil) }
            guard let journal = try Journal.read(file), let id = journal.header.uploadID else {
                if try isOver(file, after: LocalStore.halfMadeSeconds) { try state.remove(name) }
                return (nil, nil)
            }
            let files = UploadFiles(key: UploadKey(id), nonce: journal.header.nonce)
            // A power cut may have given the data file of a finished upload its old name back.
            if journal.isPublished { try state.remove(files.data) }
            guard settings.expire > 0,
                let removed = try remove(files, file, unusedFor: settings.expire, cause: .expired)
            else {
                return (files.data, nil)
            }
            return (nil, removed)
        }
    }

    /// Removes an upload if nobody has touched it for so long and nobody is at it.
    ///
    /// - Parameter file: an opening of the journal that is this call's own.
    /// - Returns: what was removed; nil if it stays.
    private func remove(
        _ files: UploadFiles, _ file: any File, unusedFor seconds: UInt64, cause: RemovalCause
    ) throws(FileError) -> UploadSummary? {
        // Who holds this is changing the upload at the moment.
        guard try file.lock(offset: 0, length: 1, wait: false) else { return nil }
        defer { file.unlock(offset: 0, length: 1) }
        guard try isOver(file, after: seconds), var journal = try Journal.read(file) else { return nil }
        let data = try state.open(files.data)
        if data == nil, !journal.isPublished, let id = journal.header.uploadID,
            let destination = try? Destination(
                id, relativePath: journal.header.relativePath, layout: settings.layout)
        {
            // Somebody is about to write down that it is published, or died before he could.
            try settle(&journal, files, destination)
            if journal.isPublished { return nil }
        }
        if let data, try !data.lock(offset: 0, length: 0, wait: false) { return nil }
        let summary = UploadSummary(journal, touched: try file.status().modified, layout: settings.layout)
        if data != nil { try state.remove(files.data) }
        if journal.isPublished, let id = journal.header.uploadID {
            try forget(journal, UploadKey(id))
        } else {
            try state.remove(files.journal)
        }
        if let summary { observe(summary.finished == nil ? .removed(summary, cause) : .forgotten(summary)) }
        return summary
    }

    /// Removes an upload that another one is to replace, if nobody has touched it for so long and nobody is at it.
    func removeIfQuiet(_ upload: Upload, seconds: UInt64, cause: RemovalCause) throws(StoreError) -> Bool {
        try onDisk { () throws(FileError) in
            guard let file = try state.open(upload.files.journal) else { return true }
            return try remove(upload.files, file, unusedFor: seconds, cause: cause) != nil
        }
    }

    /// Removes a data file that no journal speaks of, or a spool that got a name.
    private func clear(_ name: String) throws(StoreError) {
        try onDisk { () throws(FileError) in
            guard let file = try state.open(name), try isOver(file, after: LocalStore.halfMadeSeconds),
                try file.lock(offset: 0, length: 0, wait: false)
            else { return }
            try state.remove(name)
        }
    }

    private func isOver(_ file: any File, after seconds: UInt64) throws(FileError) -> Bool {
        let status = try file.status()
        return status.names > 0 && status.modified + seconds <= time
    }

    /// True when the end of an upload under way is to be put off again: not at each test, once in an eighth of its time,
    /// or an hour, is enough.
    func isKeepAliveDue(_ journal: Journal, _ file: FileStatus) -> Bool {
        settings.expire > 0 && !journal.isPublished && file.modified + min(settings.expire / 8, 3600) <= time
    }

    /// Puts off the end of an upload under way, if it is time.
    func keepAlive(_ upload: Upload) throws(StoreError) {
        guard settings.expire > 0, try upload.look(isKeepAliveDue) == true else { return }
        _ = try upload.change { [time] journal throws(FileError) in try journal.file.touch(time) }
    }
}
