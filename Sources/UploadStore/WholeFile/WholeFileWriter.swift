import Glibc
import Linux
import Synchronization
import UploadModel

// Receives a file that comes in one chunk, which needs no journal.
//
//   1. create a data file in the state folder, lock it, and write the bytes to it as they come
//   2. set its record (`WholeFileRecord`) as an extended attribute of the file, and sync both
//   3. rename the file to its final name, without replacing another file
//   4. look that the upload has no journal; if it has one, remove the name and go by the journal
//   5. sync the folder and its parents
//   6. mark the record as published, unsynced, and unlock the file by closing it
//
// So there are two syncs, and the file has its record from the moment at which it has its name. A crash before step 3
// leaves a data file that belongs to no upload, which the next start removes. A crash after it leaves a whole file with
// its record.
//
// The name of the file is what a later request finds the record by (`LocalStore.record`). It is the only one that an
// upload's file can have: a file whose name is taken is published by a journal, whatever the conflict policy. That the
// rename does not replace also makes two requests for the same upload exclude each other. The later one finds the
// record of the earlier one, and its chunk is a late duplicate. A request that begins the upload with a journal looks
// for the record after it has created the journal (`LocalStore.createAllowed`). Step 4 looks for the journal after the
// record can be found. So at least one of the two sees the other, and gives way. A publisher that finds the name taken
// waits for one that may be giving way (`LocalStore.waitForTakeBack`).
//
// The record is a journal that is not in a file of its own yet. The first request that needs the journal writes it: one
// for a chunk that is sent again, or a test of a chunk that is held. It waits for the lock, so the publisher has ended
// by then. From then on the upload is like any other. A crash between step 3 and step 6 leaves a record that is not
// marked, whose journal is settled like that of an upload whose publisher died (`LocalStore.settle`). The record ends
// with the file, where it was put, and when it expires. It is removed when its journal is forgotten or another upload
// takes the place of that (`LocalStore.removeRecord`).
//
// These uploads go by a journal although they come in one chunk:
//
//   - those with recipients of an event, which must be known even if the site moves the file away;
//   - those that count for an upload token, since their end is recorded with the token;
//   - those whose name is taken, those that the Flask backend left parts of, and those that have a journal;
//   - those whose metadata does not fit into an attribute, and all on a file system without attributes.
//
// Measured on ext4 without a journal, by the disk calls alone of files of 64 KiB (microseconds of a processor for each,
// with syncs): journal and data file 304; this 150. A file without a name (O_TMPFILE) that is linked takes 150, too.
// But the sync of the folder need not write how many names the file has, and without a journal the file system may take
// it for a removed one after a power cut. A journal that is written and not synced, beside a record in the file, takes
// 174, and writes a block more. One log of all uploads, with one sync for several, takes 158; but a log needs an index,
// compaction, and care after a failed sync.

/// Writes a chunk that is the whole file.
final class WholeFileWriter: ChunkWriter {
    private let store: LocalStore
    private let chunk: ChunkRequest
    private let layout: ChunkLayout
    private let size: UInt64
    private let key: UploadKey
    private let destination: Destination
    private let header: JournalHeader
    /// Nil once the file is published: then it must not be locked any more.
    private var file: (any File)?
    /// The name of the data file.
    private let name: String
    private let checksum: Checksum
    private var received: UInt64 = 0
    /// True once the data file has its final name.
    private var isRenamed = false

    /// Nil if the chunk is not a whole file, or has to go by a journal.
    init?(store: LocalStore, chunk: ChunkRequest) throws(StoreError) {
        guard store.settings.recipients.isEmpty, chunk.quota == nil, chunk.isWholeFile,
            store.canKeepRecords.load(ordering: .relaxed), case .sized(let size, _, let layout) = chunk.place,
            // The record is found by the identity of the upload.
            store.settings.layout != .tree || chunk.relativePath == chunk.upload.path
        else { return nil }
        let destination = try Destination(
            chunk.upload, relativePath: chunk.relativePath, layout: store.settings.layout)
        let key = UploadKey(chunk.upload)
        header = JournalHeader(begun: store.time, chunk: chunk)
        guard WholeFileRecord.fits(header, chunk.metadata), try store.isUnknown(chunk, key),
            let newFolders = try store.missingFolders(destination)
        else { return nil }
        try store.admit(chunk, newFolders)
        try store.checkSpaceLately(for: size)
        guard let checksum = Checksum() else { throw .noMemory }
        name = UploadFiles(key: key, nonce: header.nonce).data
        do throws(FileError) {
            let file = try store.state.create(name)
            // Shows a sweep that the file is in use.
            _ = try file.lock(offset: 0, length: 0, wait: false)
            self.file = file
        } catch {
            // The state folder may have been removed.
            if error.code == ENOENT { try store.checkFolders() }
            throw StoreError(error)
        }
        self.store = store
        self.chunk = chunk
        self.layout = layout
        self.size = size
        self.key = key
        self.destination = destination
        self.checksum = checksum
    }

    deinit {
        if !isRenamed { try? store.state.remove(name) }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        guard received + UInt64(bytes.count) <= size else {
            throw .wrongLength(received: received + UInt64(bytes.count), lengths: layout.lengths)
        }
        checksum.update(bytes)
        try onDisk { () throws(FileError) in try file?.write(bytes, at: received) }
        received += UInt64(bytes.count)
    }

    func commit() throws(StoreError) -> Receipt {
        guard received == size else { throw .tooShort(received: received, lengths: layout.lengths) }
        guard let file else { throw .busy }
        if let path = try publish(file) {
            self.file = nil
            return Receipt(.completed(path: path))
        }
        // Another request was faster, or the file system cannot do this.
        let writer = try store.writer(chunk, layout: layout)
        try withCopyBuffer { buffer throws(StoreError) in
            var position: UInt64 = 0
            while position < size {
                let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, Int(size - position))])
                let count = try onDisk { () throws(FileError) in try file.read(into: piece, at: position) }
                guard count == piece.count else { throw .busy }
                try writer.write(UnsafeRawBufferPointer(piece))
                position += UInt64(count)
            }
        }
        return try writer.commit()
    }

    /// Steps 2 to 6.
    ///
    /// - Returns: the path below the root; nil if the upload has to go by a journal.
    private func publish(_ file: any File) throws(StoreError) -> String? {
        let status = try onDisk { () throws(FileError) in try file.status() }
        guard status.size == size else { throw .busy }
        var record = WholeFileRecord(
            header: header, id: chunk.upload, size: size, checksum: checksum.value, metadata: chunk.metadata,
            bootDigest: store.boot.digest, inode: status.inode, time: store.time)
        guard try onDisk({ () throws(FileError) in try file.setAttribute(record.encoded) }) else {
            // Perhaps only this one is too long.
            let isAble = try onDisk { () throws(FileError) in try file.setAttribute([0]) }
            store.canKeepRecords.store(isAble, ordering: .relaxed)
            return nil
        }
        // After a failure the file is gone, and the client sends all of it again.
        try onDisk { () throws(FileError) in try file.syncWithAttribute() }
        // The sync may have taken long, so this comes after it. A state folder that was replaced within the last second
        // (`ReopeningStore`) does no harm: the file has left it.
        try store.checkRoot()
        let folder = try store.folder(for: destination)
        do throws(FileError) {
            isRenamed = try store.state.rename(name, to: folder, as: destination.filename.text, replacing: false)
        } catch {
            // A process that started between the creation of the data file and its lock has removed its name
            // (`LocalStore.removeAbandonedData`), or the site has removed the folder.
            guard error.code == ENOENT else { throw StoreError(error) }
        }
        guard isRenamed else { return nil }
        do throws(StoreError) {
            if try store.hasJournal(chunk.upload, key), takeBack(from: folder, status.inode) { return nil }
            try onDisk { () throws(FileError) in try destination.sync(from: store.root) }
        } catch {
            takeBack(from: folder, status.inode)
            throw error
        }
        record.isPublished = true
        // If this fails, the upload is settled as if the process had died here.
        _ = try? file.setAttribute(record.encoded)
        store.observe(.received(UploadSummary(record, layout: store.settings.layout)))
        return destination.path(0)
    }

    /// Removes the final name. After a failed sync of the folders, a second sync alone would succeed without writing
    /// what the first could not. The client sends the file again, and its name is a new change to write.
    ///
    /// - Returns: false if the site has moved the file away by now: then it was published.
    @discardableResult
    private func takeBack(from folder: any Directory, _ inode: UInt64) -> Bool {
        let name = destination.filename.text
        guard (try? folder.status(name))??.inode == inode else { return false }
        try? folder.remove(name)
        destination.removeFolders(from: store.root)
        return true
    }
}

extension LocalStore {
    /// True if there is neither a journal of the upload nor a part of the Flask backend.
    fileprivate func isUnknown(_ chunk: ChunkRequest, _ key: UploadKey) throws(StoreError) -> Bool {
        guard cache[key] == nil, try !hasJournal(chunk.upload, key) else { return false }
        return try !hasParts(chunk)
    }

    /// How many folders have to be created for the file; nil if its name is taken.
    fileprivate func missingFolders(_ destination: Destination) throws(StoreError) -> Int? {
        do throws(FileError) {
            let (folder, missing) = try destination.openExisting(from: root)
            if missing == 0, try folder.status(destination.filename.text) != nil { return nil }
            return missing
        } catch {
            // The upload will be refused.
            if error.isNotAFolder { return nil }
            throw StoreError(error)
        }
    }

    /// True if there is a journal of the upload, whether or not it is valid.
    fileprivate func hasJournal(_ id: UploadID, _ key: UploadKey) throws(StoreError) -> Bool {
        try onDisk { () throws(FileError) in
            if try state.status(key.journal) != nil { return true }
            guard let older = id.withoutPath else { return false }
            return try state.status(UploadKey(older).journal) != nil
        }
    }
}
