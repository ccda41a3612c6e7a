import Glibc
import Synchronization
import UploadModel

// How a complete upload becomes a file, exactly once and in one atomic step, at a cost that doesn't grow with it:
//
//   1. a lock on the whole data file: nobody writes, nobody else publishes
//   2. sync the data, and the state folder: journal and data file keep their names from here on
//   3. journal: publishing(number, inode), synced; with it, who is owed an event once the file has its name
//   4. rename to the final name; if that is taken and not to be replaced, the next number, from 3
//   5. sync the folder, and those on the way to it
//   6. journal: published
//
// After a crash the journal tells how far it came (`settle`): `publishing`, and a file of that inode under that name,
// means that 4 was done; anything before it is simply done again.

/// How long one request waits for another that holds what it needs.
struct WaitBudget {
    private var slept: UInt32 = 0
    private static let limit: UInt32 = 10_000_000

    /// Sleeps for a moment, longer each time; false once ten seconds have passed.
    mutating func wait() -> Bool {
        guard slept < WaitBudget.limit else { return false }
        let pause = min(max(slept / 4, 500), 50_000)
        usleep(pause)
        slept += pause
        return true
    }
}

extension LocalStore {
    /// How many numbers are tried for a name that is taken.
    private static let maximumNumber: UInt64 = 10_000

    /// Gives a complete upload its name, or waits for whoever does.
    ///
    /// - Returns: the path below the root; nil if the upload isn't complete any more, or was published by somebody else.
    func publish(_ upload: Upload) throws(StoreError) -> String? {
        var budget = WaitBudget()
        while true {
            guard let open = try upload.look({ $0.coversFile && !$0.isPublished }), open else { return nil }
            if let file = try openData(of: upload),
                try onDisk({ () throws(FileError) in try file.lock(offset: 0, length: 0, wait: false) })
            {
                // It may have changed while we came; the lock ends with `file`.
                guard let size = try upload.look({ $0.coversFile && !$0.isPublished ? $0.size : nil }), let size
                else { return nil }
                return try publish(upload, size: size, locked: file)
            }
            guard budget.wait() else { throw .busy }
        }
    }

    private func publish(_ upload: Upload, size: UInt64, locked file: any File) throws(StoreError) -> String {
        // Behind the file there may be a last chunk that had to wait for its place. That it no longer does must be certain
        // before it goes.
        if try onDisk({ () throws(FileError) in try file.status().size }) > size {
            _ = try upload.change { journal throws(FileError) in try journal.sync() }
            try onDisk { () throws(FileError) in try file.truncate(to: size) }
        }
        let status = try onDisk { () throws(FileError) in try file.status() }
        guard let records = try upload.look({ UInt64($0.records) }) else { throw .busy }
        try upload.sync { () throws(FileError) in
            try file.sync()
            try state.sync()
        }
        if upload.mayHaveParts.exchange(false, ordering: .relaxed) { clearParts(of: upload.id) }
        let folder = try folder(for: upload.destination)
        let filename = upload.destination.filename
        let numbers = settings.onConflict == .rename ? 0..<LocalStore.maximumNumber : 0..<1
        for number in numbers {
            let name = filename.numbered(number)
            // Cheap, and saves a sync for each name that is taken. The rename decides.
            if settings.onConflict != .replace, try onDisk({ () throws(FileError) in try folder.status(name) }) != nil {
                continue
            }
            let announced = try upload.change { journal throws(FileError) in
                try journal.append([
                    .durable(records: records),
                    .publishing(number: number, inode: status.inode, owed: settings.recipients),
                ])
                try journal.sync()
            }
            guard announced else { throw .busy }
            guard try rename(upload, to: folder, as: name) else { continue }
            _ = try upload.change { journal throws(FileError) in
                // Who came by between the rename and now has written it down already.
                guard !journal.isPublished else { return }
                try recordPublished(&journal, number: number, inode: status.inode)
            }
            return upload.destination.path(number)
        }
        guard settings.onConflict == .rename else { throw .nameTaken }
        throw .failed(FileError(operation: "find a free name for", name: filename.text, code: EEXIST))
    }

    /// Writes down that the file has its name. Who does that is the one who tells of it.
    private func recordPublished(_ journal: inout Journal, number: UInt64, inode: UInt64) throws(FileError) {
        try journal.append([.published(number: number, inode: inode, time: time)])
        tell(journal) { .finished($0) }
    }

    /// Tells the observer what happened to the upload of that journal.
    func tell(_ journal: Journal, _ event: (UploadSummary) -> StoreEvent) {
        if let summary = UploadSummary(journal, touched: time, layout: settings.layout) { observe(event(summary)) }
    }

    private func folder(for destination: Destination) throws(StoreError) -> any Directory {
        do { return try destination.make(from: root) } catch {
            if error.isNotAFolder { throw .nameTaken }
            throw StoreError(error)
        }
    }

    /// - Returns: false if the name is taken.
    private func rename(_ upload: Upload, to folder: any Directory, as name: String) throws(StoreError) -> Bool {
        let replacing = settings.onConflict == .replace
        do {
            guard try state.rename(upload.files.data, to: folder, as: name, replacing: replacing) else { return false }
        } catch {
            // A folder has the name: that is never replaced.
            if replacing && (error.code == EISDIR || error.code == ENOTEMPTY || error.code == EEXIST) {
                throw .nameTaken
            }
            throw StoreError(error)
        }
        do { try upload.destination.sync(from: root) } catch {
            guard giveAgain(name, in: folder, upload.files, upload.destination) else {
                try upload.sync { () throws(FileError) in throw error }
                return false
            }
            throw StoreError(error)
        }
        return true
    }

    /// Takes a name back that could not be synced, with the folders on its way, and gives it once more: a second sync
    /// alone would succeed without having written what the first could not. The next one has something new to write.
    ///
    /// - Returns: false if the name could not be taken back.
    private func giveAgain(
        _ name: String, in folder: any Directory, _ files: UploadFiles, _ destination: Destination
    ) -> Bool {
        do throws(FileError) {
            if try state.status(files.data) != nil {
                // A rename has left both names behind.
                try folder.remove(name)
            } else if try !folder.rename(name, to: state, as: files.data, replacing: false) {
                return false
            }
        } catch {
            return false
        }
        destination.removeFolders(from: root)
        // Where this fails, the file is as it was before it was published.
        if let folder = try? destination.make(from: root) {
            _ = try? state.rename(files.data, to: folder, as: name, replacing: false)
        }
        return true
    }

    /// Opens the data file. Nil where it is gone; then the journal says why, and who looks again finds out.
    func openData(of upload: Upload) throws(StoreError) -> (any File)? {
        if let file = try onDisk({ () throws(FileError) in try state.open(upload.files.data) }) { return file }
        // Whoever renamed it is about to write that down, or failed to (the disk may have become full); or somebody
        // removed it by hand.
        _ = try upload.change { journal throws(FileError) in
            try settle(&journal, upload.files, upload.destination)
        }
        return nil
    }

    /// True if the data file of an announced publication stands under its final name.
    func isRenamed(_ journal: Journal, _ destination: Destination) throws(FileError) -> Bool {
        guard case .announced(let number, let inode) = journal.publication,
            let folder = try destination.open(from: root)
        else { return false }
        return try folder.status(destination.filename.numbered(number))?.inode == inode
    }

    /// Writes down what became of a publication that was cut off. The journal is locked and up to date.
    func settle(_ journal: inout Journal, _ files: UploadFiles, _ destination: Destination) throws(FileError) {
        guard !journal.isPublished else { return }
        // A publisher that is alive renames without the journal's lock: only a file that was gone before the look at the
        // final name, and still is, is gone.
        let wasGone = try state.status(files.data) == nil
        if case .announced(let number, let inode) = journal.publication, try isRenamed(journal, destination) {
            if let id = journal.header.uploadID { clearParts(of: id) }
            do { try destination.sync(from: root) } catch {
                let name = destination.filename.numbered(number)
                if let folder = try? destination.open(from: root), giveAgain(name, in: folder, files, destination) {
                    throw error
                }
                journal.distrust()
                throw error
            }
            if try state.status(files.data)?.inode == inode { try state.remove(files.data) }
            try recordPublished(&journal, number: number, inode: inode)
        } else if wasGone, try state.status(files.data) == nil {
            // Somebody removed the data by hand, or it went with a power cut: nothing of it is held.
            try state.remove(files.journal)
            tell(journal) { .removed($0, .lost) }
        }
    }
}
