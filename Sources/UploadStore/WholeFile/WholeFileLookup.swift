import Glibc
import Linux
import UploadModel

// Finds the records of files that came in one chunk (`WholeFileWriter`).

extension LocalStore {
    /// The record of an upload's finished file, which stands where the upload has put it; nil if there is none, or if
    /// it has expired.
    func record(of id: UploadID) throws(StoreError) -> WholeFileRecord? {
        guard let destination = try? Destination(id, relativePath: id.path, layout: settings.layout) else { return nil }
        do throws(FileError) {
            guard let folder = try destination.open(from: root),
                let record = try record(in: folder, destination.filename.text), record.id == id
            else { return nil }
            return record
        } catch {
            if error.isOfAnotherProgram { return nil }
            throw StoreError(error)
        }
    }

    /// The record of the file with that name, if it is the file that the record is about.
    private func record(in folder: any Directory, _ name: String) throws(FileError) -> WholeFileRecord? {
        guard let file = try folder.openForReading(name), let attribute = try file.attribute(),
            let record = WholeFileRecord(attribute, name: name)
        else { return nil }
        let status = try file.status()
        guard status.isRegular, status.names > 0, status.inode == record.inode, status.size == record.size,
            settings.expire == 0 || record.time + settings.expire > time
        else { return nil }
        return record
    }

    /// Writes the journal of an upload whose file has the record.
    ///
    /// - Returns: the journal, which another request may have written; nil if there is no such file.
    /// - Throws: `StoreError.busy` if the file is being published for ten seconds.
    func journalFromFile(of id: UploadID, _ key: UploadKey) throws(StoreError) -> Journal? {
        guard let found = try record(of: id) else { return nil }
        // A publisher is at work only until it has marked the record, and only in the boot that the record names.
        if !found.isPublished && found.isOf(boot) { try waitForPublisher(of: id) }
        // The publisher may have marked the record, or have given way to a journal.
        guard let record = try record(of: id) else { return nil }
        return try onDisk { () throws(FileError) in
            // Until its rename it is no journal, and the next start removes it if this process dies.
            let draft = UploadFiles(key: key, nonce: Nonce.next()).data + LocalStore.draftSuffix
            let file = try state.create(draft)
            do throws(FileError) {
                _ = try file.lock(offset: 0, length: 0, wait: false)
                defer { file.unlock(offset: 0, length: 0) }
                try record.journal(in: boot).withBytes { bytes throws(FileError) in try file.write(bytes, at: 0) }
                // A part of it would be taken for an upload under way. If a power cut takes all of it, the file still
                // has its record.
                try file.sync()
                try removeInvalidJournal(key)
                if try state.rename(draft, to: state, as: key.journal, replacing: false) {
                    return try Journal.read(file)
                }
                try state.remove(draft)
            } catch {
                try? state.remove(draft)
                throw error
            }
            return try state.open(key.journal).flatMap { file throws(FileError) in try Journal.read(file) }
        }
    }

    /// Waits for a request that has received the whole file of an upload that has a journal by now: it gives way and
    /// frees the name.
    func waitForTakeBack(of id: UploadID) throws(StoreError) {
        guard let record = try record(of: id), !record.isPublished, record.isOf(boot) else { return }
        try waitForPublisher(of: id)
    }

    /// Waits until the process that publishes the file in one chunk has done that, or has died.
    private func waitForPublisher(of id: UploadID) throws(StoreError) {
        var budget = WaitBudget()
        while let file = try finalFile(of: id) {
            // A file that this process cannot write cannot be locked, and another user's process has published it.
            let isFree = try onDisk { () throws(FileError) in
                do throws(FileError) { return try file.lock(offset: 0, length: 0, wait: false) } catch {
                    if error.code == EBADF { return true }
                    throw error
                }
            }
            if isFree { return }
            guard budget.wait() else { throw .busy }
        }
    }

    /// The file with the final name of an upload; nil if there is none, or if another program's entry has the name.
    private func finalFile(of id: UploadID) throws(StoreError) -> (any File)? {
        guard let destination = try? Destination(id, relativePath: id.path, layout: settings.layout) else { return nil }
        do throws(FileError) {
            return try destination.open(from: root)?.openToInspect(destination.filename.text)
        } catch {
            if error.isOfAnotherProgram { return nil }
            throw StoreError(error)
        }
    }

    /// Removes the record from the finished file of an upload whose journal is gone, or belongs to a new upload by now.
    /// Otherwise the record would be in force again when the journal of that upload is forgotten.
    ///
    /// It may stay: the site may have made the file its own, or moved it away for a while, or a power cut may undo the
    /// removal. Then a client that sends the bytes of the file, while it stands under its name, may be told that they
    /// are held, which is true. A client that sends other bytes begins a new upload in any case.
    func removeRecord(of header: JournalHeader, _ name: (number: UInt64, inode: UInt64)?) {
        guard let name, name.number == 0, let id = header.uploadID,
            let destination = try? Destination(id, relativePath: header.relativePath, layout: settings.layout),
            let folder = try? destination.open(from: root),
            let file = try? folder.openForReading(destination.filename.text),
            (try? file.status().inode) == name.inode,
            let attribute = try? file.attribute(),
            let record = WholeFileRecord(attribute, name: destination.filename.text),
            record.header.nonce == header.nonce
        else { return }
        try? file.removeAttribute()
    }

    /// Removes what a process left that died while it began the upload: no chunk of it was acknowledged.
    private func removeInvalidJournal(_ key: UploadKey) throws(FileError) {
        guard let file = try state.open(key.journal) else { return }
        _ = try file.lock(offset: 0, length: 1, wait: true)
        defer { file.unlock(offset: 0, length: 1) }
        if try file.status().names > 0, try Journal.read(file) == nil { try state.remove(key.journal) }
    }

    /// Calls `visit` with the record of every finished file that has no journal. Looks at every file below the root.
    func visitRecords(_ visit: (WholeFileRecord) -> Void) throws(StoreError) {
        try visitRecords(in: root, [], visit)
    }

    /// The deepest folder that is looked at: deeper than any that an upload can make.
    private static let maximumDepth = 512

    private func visitRecords(
        in folder: any Directory, _ path: [String], _ visit: (WholeFileRecord) -> Void
    ) throws(StoreError) {
        for name in try onDisk({ () throws(FileError) in try folder.names() })
        where !path.isEmpty || name != LocalStore.stateFolder {
            // A file that cannot be read is not one of the store's, or the site has made it its own.
            guard let status = (try? folder.status(name)) ?? nil else { continue }
            if status.isRegular {
                guard let record = (try? record(in: folder, name)) ?? nil,
                    try isCurrent(record, at: path + [name])
                else { continue }
                visit(record)
            } else if path.count < LocalStore.maximumDepth, let next = (try? folder.existingFolder(name)) ?? nil {
                try? visitRecords(in: next, path + [name], visit)
            }
        }
    }

    /// True if the path, below the root, is where the upload has put its file, and the upload has no journal. A file
    /// may have other names, too, by hard links.
    private func isCurrent(_ record: WholeFileRecord, at path: [String]) throws(StoreError) -> Bool {
        guard let destination = try? Destination(record.id, relativePath: record.id.path, layout: settings.layout),
            destination.folders + [destination.filename.text] == path
        else { return false }
        return try onDisk { () throws(FileError) in try state.status(UploadKey(record.id).journal) } == nil
    }

    /// The end of the name of a journal that is being written for a finished file.
    private static let draftSuffix = ".record"

    /// Removes the data files that a dead process was receiving in one chunk, and the journals that it was writing for
    /// finished files. All other data files have a journal from before their creation to after their removal.
    func removeAbandonedData() throws(StoreError) {
        try onDisk { () throws(FileError) in
            for name in try state.names() {
                var isAbandoned = name.hasSuffix(LocalStore.draftSuffix)
                if name.hasSuffix(UploadFiles.dataSuffix) {
                    let journal = String(name.prefix { $0 != "-" }) + UploadFiles.journalSuffix
                    isAbandoned = try state.status(journal) == nil
                }
                guard isAbandoned, let file = try state.open(name),
                    try file.lock(offset: 0, length: 0, wait: false)
                else { continue }
                try state.remove(name)
            }
        }
    }
}
