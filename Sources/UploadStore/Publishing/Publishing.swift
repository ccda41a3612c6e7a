import Glibc
import Synchronization
import UploadModel

// Publishing turns a complete upload into a file under its final name: exactly once, atomically, and at a cost that
// doesn't grow with the file.
//
//   1. lock the whole data file: no other thread or process writes to it or publishes it
//   2. sync the data file and the state folder: the names of journal and data file survive a power cut from here on
//   3. append publishing(number, inode) to the journal and sync it; it also lists the recipients of the event
//   4. rename the data file to the final name; if that is taken and not to be replaced, go on at 3 with the next number
//   5. sync the folder and its parents
//   6. append published to the journal
//
// After a crash the journal tells how far publishing had come (`settle`): if it ends with `publishing`, and the file
// with that name has that inode, step 4 was done. Everything before that is done again.

extension LocalStore {
    /// Publishes a complete upload, or waits for the thread or process that is publishing it.
    ///
    /// - Returns: the path below the root; nil if the upload isn't complete any more, or another one has published it.
    func publish(_ upload: Upload) throws(StoreError) -> String? {
        var budget = WaitBudget()
        while true {
            guard let open = try upload.look({ $0.coversFile && !$0.isPublished }), open else { return nil }
            if let file = try openData(of: upload),
                try onDisk({ () throws(FileError) in try file.lock(offset: 0, length: 0, wait: false) })
            {
                // Another writer may have changed it before the lock. The lock ends with `file`.
                guard let size = try upload.look({ $0.coversFile && !$0.isPublished ? $0.size : nil }), let size
                else { return nil }
                if let path = try publishAsEarlier(upload, size: size) { return path }
                return try publish(upload, size: size, locked: file)
            }
            guard budget.wait() else { throw .busy }
        }
    }

    private func publish(_ upload: Upload, size: UInt64, locked file: any File) throws(StoreError) -> String {
        try upload.syncing { number throws(StoreError) in
            (try publish(upload, size: size, locked: file, syncing: number), [])
        }
    }

    /// - Parameter records: the number of the `syncing` record, which `published` closes.
    private func publish(
        _ upload: Upload, size: UInt64, locked file: any File, syncing records: UInt64
    ) throws(StoreError) -> String {
        // After the file's end there may be a copy of the last chunk (`Journal.tailOffset`). The record that the chunk
        // has been moved must survive a power cut before the copy is removed.
        if try onDisk({ () throws(FileError) in try file.status().size }) > size {
            _ = try upload.change { journal throws(FileError) in try journal.sync() }
            try onDisk { () throws(FileError) in try file.truncate(to: size) }
        }
        let status = try onDisk { () throws(FileError) in try file.status() }
        try upload.checkData(status)
        // The rename is by name: it must be the name of the file that was synced.
        guard try onDisk({ () throws(FileError) in try state.status(upload.files.data) })?.inode == status.inode,
            status.size == size
        else { throw .busy }
        try upload.sync { () throws(FileError) in
            try file.sync()
            try state.sync()
        }
        // The sync may have taken long, so this comes after it.
        try checkFolders()
        if upload.mayHaveParts.exchange(false, ordering: .relaxed) { clearParts(of: upload.id) }
        let folder = try folder(for: upload.destination)
        let filename = upload.destination.filename
        var taken: UInt64?
        while true {
            // Saves a sync for each name that is taken. The rename itself decides.
            let number = try freeNumber(for: filename, of: upload.id, in: folder, after: taken)
            let name = filename.numbered(number)
            let announced = try upload.change { journal throws(FileError) in
                try journal.append([
                    .durable(records: records),
                    .publishing(number: number, inode: status.inode, owed: settings.recipients),
                ])
                try journal.sync()
            }
            guard announced else { throw .busy }
            guard try rename(upload, to: folder, as: name) else {
                // Another request may give way (`waitForTakeBack`), so the name itself is looked at again.
                taken = number == 0 ? nil : number
                continue
            }
            _ = try upload.change { journal throws(FileError) in
                // Another request may have recorded it since the rename (`settle`).
                guard !journal.isPublished else { return }
                try recordPublished(&journal, number: number, inode: status.inode)
            }
            return upload.destination.path(number)
        }
    }

    /// A number with which the name is free, by the settings: 0 is the name itself.
    ///
    /// - Parameter taken: a number that was found taken before.
    /// - Throws: `StoreError.nameTaken` if the file may not get another name.
    private func freeNumber(
        for filename: FileName, of id: UploadID, in folder: any Directory, after taken: UInt64?
    ) throws(StoreError) -> UInt64 {
        if settings.onConflict == .replace { return 0 }
        func exists(_ number: UInt64) throws(StoreError) -> Bool {
            try onDisk { () throws(FileError) in try folder.status(filename.numbered(number)) } != nil
        }
        func isTaken(_ number: UInt64) throws(StoreError) -> Bool {
            guard try exists(number) else { return false }
            guard number == 0 else { return true }
            try waitForTakeBack(of: id)
            return try exists(number)
        }
        if settings.onConflict == .refuse {
            if taken == nil, try !isTaken(0) { return 0 }
            throw .nameTaken
        }
        return try UploadStore.freeNumber(after: taken, isTaken)
    }

    /// Records that the file has its name, and tells the observer.
    func recordPublished(_ journal: inout Journal, number: UInt64, inode: UInt64) throws(FileError) {
        try journal.append([.published(number: number, inode: inode, time: time)])
        tell(journal) { .finished($0) }
    }

    /// Tells the observer of an event of the upload with that journal.
    func tell(_ journal: Journal, _ event: (UploadSummary) -> StoreEvent) {
        if let summary = UploadSummary(journal, touched: time, layout: settings.layout) { observe(event(summary)) }
    }

    func folder(for destination: Destination) throws(StoreError) -> any Directory {
        do { return try destination.make(from: root) } catch {
            if error.isNotAFolder { throw .nameTaken }
            throw StoreError(error)
        }
    }

    /// Renames the data file and syncs the folders.
    ///
    /// - Returns: false if the name is taken.
    private func rename(_ upload: Upload, to folder: any Directory, as name: String) throws(StoreError) -> Bool {
        let replacing = settings.onConflict == .replace
        do {
            guard try state.rename(upload.files.data, to: folder, as: name, replacing: replacing) else { return false }
        } catch {
            // The name belongs to a folder, which is never replaced.
            if replacing && (error.code == EISDIR || error.code == ENOTEMPTY || error.code == EEXIST) {
                throw .nameTaken
            }
            throw StoreError(error)
        }
        do { try upload.destination.sync(from: root) } catch {
            guard renameAgain(name, in: folder, upload.files, upload.destination) else {
                try upload.sync { () throws(FileError) in throw error }
                return false
            }
            throw StoreError(error)
        }
        return true
    }

    /// After a failed sync of the folders: renames the file back, removes its folders, and renames it to its final name
    /// once more. A second sync alone would succeed without writing what the first could not; after this, it has new
    /// changes to write.
    ///
    /// - Returns: false if the file could not be renamed back.
    private func renameAgain(
        _ name: String, in folder: any Directory, _ files: UploadFiles, _ destination: Destination
    ) -> Bool {
        do throws(FileError) {
            if try state.status(files.data) != nil {
                // The fallback for rename has left both names.
                try folder.remove(name)
            } else if try !folder.rename(name, to: state, as: files.data, replacing: false) {
                return false
            }
        } catch {
            return false
        }
        // The folders may go only when the file's other name survives a power cut.
        if (try? state.sync()) != nil || syncStateAgain(files) { destination.removeFolders(from: root) }
        // If this fails, the file is as it was before step 4.
        if let folder = try? destination.make(from: root) {
            _ = try? state.rename(files.data, to: folder, as: name, replacing: false)
        }
        return true
    }

    /// Syncs the state folder after a failed sync of it. A name comes and goes, so that there is something to write.
    private func syncStateAgain(_ files: UploadFiles) -> Bool {
        let name = files.data + ".draft"
        guard (try? state.create(name)) != nil, (try? state.remove(name)) != nil else { return false }
        return (try? state.sync()) != nil
    }

    /// Opens the data file. Nil if it is gone; the journal then says why (`settle`), and the caller looks again.
    ///
    /// - Parameter needed: `Journal.dataEnd`, if the caller has just looked at the journal.
    func openData(of upload: Upload, needed: UInt64? = nil) throws(StoreError) -> (any File)? {
        if let file = try onDisk({ () throws(FileError) in try state.open(upload.files.data) }) {
            try upload.checkData(try onDisk { () throws(FileError) in try file.status() }, needed: needed)
            return file
        }
        // The publisher is about to record that it has renamed the file, or failed to (the disk may be full); or
        // another program has removed the file.
        _ = try upload.change { journal throws(FileError) in
            try settle(&journal, upload.files, upload.destination)
        }
        return nil
    }

    /// True if the journal ends with `publishing` and the file has that name already.
    func isRenamed(_ journal: Journal, _ destination: Destination) throws(FileError) -> Bool {
        guard case .announced(let number, let inode) = journal.publication,
            let folder = try destination.open(from: root)
        else { return false }
        return try folder.status(destination.filename.numbered(number))?.inode == inode
    }

    /// Completes the journal of an upload whose data file is gone or whose publisher died: `published` if the file was
    /// renamed; else the upload is removed if its data is gone. The caller has locked the journal and called `refresh`.
    func settle(_ journal: inout Journal, _ files: UploadFiles, _ destination: Destination) throws(FileError) {
        guard !journal.isPublished else { return }
        // A running publisher renames without the journal's lock. So the data is gone only if it was gone both before
        // and after the check of the final name.
        let wasGone = try state.status(files.data) == nil
        if case .announced(let number, let inode) = journal.publication, try isRenamed(journal, destination) {
            if let id = journal.header.uploadID { clearParts(of: id) }
            let name = destination.filename.numbered(number)
            if journal.isSyncAbandoned {
                // The publisher may have died in a failed sync of the folders: the next one must have changes to write.
                guard let folder = try destination.open(from: root),
                    renameAgain(name, in: folder, files, destination), try isRenamed(journal, destination)
                else { throw FileError(operation: "rename", name: name, code: EIO) }
            }
            do { try destination.sync(from: root) } catch {
                // A name that was found after a power cut is on the medium, and a second power cut could lose a file
                // that is being moved.
                if journal.boot != boot { throw error }
                if let folder = try? destination.open(from: root), renameAgain(name, in: folder, files, destination) {
                    throw error
                }
                journal.distrust()
                throw error
            }
            if try state.status(files.data)?.inode == inode { try state.remove(files.data) }
            try recordPublished(&journal, number: number, inode: inode)
        } else if wasGone, try state.status(files.data) == nil {
            // Another program has removed the data file, or a power cut has: nothing is held.
            try state.remove(files.journal)
            tell(journal) { .removed($0, .lost) }
            // The next request may publish the file without a journal, which must not come back with a power cut.
            try state.sync()
        }
    }
}
