import Linux
import UploadModel

// Removes expired uploads, expired records of finished uploads, and files that a process left when it died while it
// began an upload. An upload is removed only while no range of it is locked; a request that arrives at that moment
// begins a new one.

extension LocalStore {
    /// The age at which an incomplete file of the store is removed, in seconds: far more than creating it takes.
    private static let incompleteSeconds: UInt64 = 3600

    /// Removes everything that has expired.
    package func sweep() -> SweepReport {
        var report = SweepReport()
        do throws(StoreError) {
            var wanted: Set<String> = []
            let reserved = reservations.withLock { $0.keys }
            let names = try onDisk { () throws(FileError) in try state.names() }
            guard isClockTrusted(names) else {
                observe(
                    .notice(
                        "the clock is far ahead of the last sweep or the newest upload: nothing expires in this sweep"))
                return report
            }
            endReservations(of: reserved, butThoseOf: names)
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
                && name != LocalStore.tokensFolder
            {
                do throws(StoreError) { try clear(name) } catch { report.failures.append(error) }
            }
            try Outbox(self).sweep()
            try sweepTokens()
            // Removed uploads must not come back with a power cut.
            if !report.removed.isEmpty { try onDisk { () throws(FileError) in try state.sync() } }
        } catch {
            report.failures.append(error)
        }
        return report
    }

    /// Other processes finish and remove uploads, too.
    ///
    /// - Parameter keys: the uploads that had a reservation before `names` was read.
    private func endReservations(of keys: Set<UploadKey>, butThoseOf names: [String]) {
        if keys.isEmpty { return }
        let names = Set(names)
        reservations.withLock { for key in keys where !names.contains(key.journal) { $0.end(key) } }
    }

    private func isClockTrusted(_ names: [String]) -> Bool {
        guard let elapsed = monotonicTime else { return true }
        return clocks.withLock { [time, state] clocks in
            clocks.isTrusted(wall: time, monotonic: elapsed) {
                names.lazy.filter { $0.hasSuffix(UploadFiles.journalSuffix) }
                    .compactMap { (try? state.status($0)).flatMap { $0 }?.modified }.max()
            }
        }
    }

    /// - Returns: the name of the upload's data file if the upload stays, else the summary of the removed upload.
    private func sweep(journal name: String) throws(StoreError) -> (data: String?, removed: UploadSummary?) {
        try onDisk { () throws(FileError) in
            guard let file = try state.open(name) else { return (nil, nil) }
            guard let journal = try Journal.read(file), let id = journal.header.uploadID else {
                if try isOver(file, after: LocalStore.incompleteSeconds) { try state.remove(name) }
                return (nil, nil)
            }
            let files = UploadFiles(key: UploadKey(id), nonce: journal.header.nonce)
            // A power cut may have restored the data file's old name beside the final one.
            if journal.isPublished { try state.remove(files.data) }
            guard settings.expire > 0,
                let removed = try remove(files, file, unusedFor: settings.expire, cause: .expired)
            else {
                return (files.data, nil)
            }
            return (nil, removed)
        }
    }

    /// Removes an upload if nothing was added to it for `seconds` and no other thread or process works on it.
    ///
    /// - Parameter file: the journal, opened for this call alone.
    /// - Returns: the removed upload; nil if it stays.
    func remove(
        _ files: UploadFiles, _ file: any File, unusedFor seconds: UInt64, cause: RemovalCause
    ) throws(FileError) -> UploadSummary? {
        // The holder of this lock is changing the upload.
        guard try file.lock(offset: 0, length: 1, wait: false) else { return nil }
        defer { file.unlock(offset: 0, length: 1) }
        guard try isOver(file, after: seconds), var journal = try Journal.read(file) else { return nil }
        let data = try state.open(files.data)
        if data == nil, !journal.isPublished, let id = journal.header.uploadID,
            let destination = try? Destination(
                id, relativePath: journal.header.relativePath, layout: settings.layout)
        {
            if journal.boot == boot { try journal.checkSyncs() }
            // The publisher is about to record that the file is finished, or died before it could.
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

    /// Removes an upload if nothing was added to it for `seconds` and no other thread or process works on it.
    ///
    /// - Returns: true if it is gone.
    func removeIfQuiet(_ upload: Upload, seconds: UInt64, cause: RemovalCause) throws(StoreError) -> Bool {
        try onDisk { () throws(FileError) in
            guard let file = try state.open(upload.files.journal) else { return true }
            guard try remove(upload.files, file, unusedFor: seconds, cause: cause) != nil else { return false }
            // The next request may publish the file without a journal, which must not come back with a power cut.
            try state.sync()
            return true
        }
    }

    /// Removes a data file without a journal, or a spool file that a process left.
    private func clear(_ name: String) throws(StoreError) {
        try onDisk { () throws(FileError) in
            guard let file = try state.open(name), try isOver(file, after: LocalStore.incompleteSeconds),
                try file.lock(offset: 0, length: 0, wait: false)
            else { return }
            try state.remove(name)
        }
    }

    /// True if the file was not changed for so long. With 0 seconds that does not depend on the clock, which may have
    /// been set back.
    private func isOver(_ file: any File, after seconds: UInt64) throws(FileError) -> Bool {
        let status = try file.status()
        guard status.names > 0 else { return false }
        if seconds == 0 { return true }
        return try !isFromTheFuture(file, status) && status.modified + seconds <= time
    }

    /// True if a file was changed later than now, because the clock was set back since. Waiting for its time to be over
    /// could take years. So its time becomes the present one, and is over that much later.
    func isFromTheFuture(_ file: any File, _ status: FileStatus) throws(FileError) -> Bool {
        guard status.modified > time + LocalStore.clockTolerance else { return false }
        try file.touch(time)
        return true
    }

    /// How far the times of files may be ahead of the clock, in seconds: they may come from another machine.
    private static let clockTolerance: UInt64 = 60

    /// True if the expiry of an upload under way should be postponed now. Not with each test: once in an eighth of its
    /// time, or once an hour, is enough. An upload that holds nearly nothing costs its client little: tests do not
    /// postpone its expiry.
    func isKeepAliveDue(_ journal: Journal, _ file: FileStatus) -> Bool {
        settings.expire > 0 && !journal.isPublished && file.modified + min(settings.expire / 8, 3600) <= time
            && !journal.isNearlyEmpty
    }

    /// Postpones the expiry of an upload under way, if that is due.
    func keepAlive(_ upload: Upload) throws(StoreError) {
        guard settings.expire > 0, try upload.look(isKeepAliveDue) == true else { return }
        _ = try upload.change { [time] journal throws(FileError) in try journal.file.touch(time) }
    }
}
