import Glibc
import Linux
import UploadModel

// How a new upload takes the place of a finished one with the same identity.
//
// A chunk of a finished upload is compared with the finished file (`LateDuplicateWriter`). As long as all bytes are the
// same it is answered as a duplicate, and the journal records its range as confirmed. The first difference shows that a
// client is sending another file: a new upload begins, and its file meets the conflict policy like any other. The
// client believes that what was confirmed is held. So the new upload begins with these ranges, copied from the finished
// file:
//
//   - Ranges in front of the chunk that differs are held. Clients send their chunks in order.
//   - Ranges behind it are provisional. They may have been confirmed for the same client, which sends several chunks at
//     a time, or long before it, for a client that had lost the answer to its last chunk. In the first case the client
//     does not send them again, in the second it does. A test says that they are missing, and a chunk replaces them. If
//     they are all that is missing and nothing has come for a minute, they count.
//
// A client that states no sizes goes on with the chunk size of the finished upload, which places what was confirmed. If
// its chunk cannot have that chunk size, the file is cut in another way: nothing that was confirmed belongs to it.
//
// If the new upload turns out to be the finished file, there is no second one (`EarlierFile`).
//
// The finished file may be gone or changed when the next chunk comes. Then the record of the upload ends, and the new
// upload begins in the same way.

extension LocalStore {
    /// How long nothing must have come before provisional ranges count, in seconds.
    static let provisionalSeconds: UInt64 = 60

    /// The finished file of an upload: nil if it is not where the upload has put it, or has another size.
    func openFinished(_ upload: Upload) throws(StoreError) -> (any File)? {
        guard let (done, size) = try upload.look({ ($0.finalName, $0.size) }), let done else { return nil }
        do throws(FileError) {
            guard let folder = try upload.destination.open(from: root),
                let file = try folder.openForReading(upload.destination.filename.numbered(done.number))
            else { return nil }
            let status = try file.status()
            guard status.inode == done.inode, status.size == size, status.names > 0 else { return nil }
            upload.finishedFile.withLock { $0 = file }
            return file
        } catch {
            // A file that the site has made unreadable cannot be compared: what comes is stored.
            if error.isNotAFolder || error.code == EACCES || error.code == EPERM { return nil }
            throw StoreError(error)
        }
    }

    /// Whether the file of a finished upload stands where it was put; nil while the upload is under way.
    func stands(_ upload: Upload) throws(StoreError) -> Bool? {
        guard let (done, size) = try upload.look({ ($0.finalName, $0.size) }), let done else { return nil }
        do throws(FileError) {
            let status = try upload.destination.open(from: root)?
                .status(upload.destination.filename.numbered(done.number))
            return status.map { $0.inode == done.inode && $0.size == size } ?? false
        } catch {
            if error.isNotAFolder { return false }
            throw StoreError(error)
        }
    }

    /// Begins a new upload in the place of a finished one. Nothing happens if another request has done that.
    ///
    /// - Parameters:
    ///   - chunk: of the new upload.
    ///   - offset: where the chunk lies that is known not to be a duplicate; nil if the new upload gets no bytes of the
    ///     finished file, because it is cut in another way.
    /// - Throws: `StoreError.busy` while another request does the same, or what an upload's beginning throws.
    func supersede(_ upload: Upload, with chunk: ChunkRequest, at offset: UInt64?) throws(StoreError) {
        guard let lease = try onDisk({ () throws(FileError) in try state.open(upload.files.journal) }) else { return }
        guard try onDisk({ () throws(FileError) in try lease.lock(offset: 3, length: 1, wait: false) }) else {
            throw .busy
        }
        guard try upload.look({ $0.isPublished }) == true else { return }
        try checkFolders()
        _ = try admitted(chunk)
        // A new upload counts although the finished one has the same key.
        if chunk.quota != nil, let header = try upload.look({ $0.header }) {
            try onDisk { () throws(FileError) in try forgetToken(of: header, upload.key) }
        }
        var header = JournalHeader(begun: time, chunk: chunk)
        if let offset, let finished = upload.finishedFile.withLock({ $0 }) {
            header.earlierFiles = try earlierFiles(lease, finished, differingAt: offset)
        }
        try withTokenQuota(of: chunk) { [header] () throws(StoreError) in
            try supersedeAdmitted(upload, with: chunk, header, at: offset)
        }
        cache.drop(upload)
    }

    private func supersedeAdmitted(
        _ upload: Upload, with chunk: ChunkRequest, _ header: JournalHeader, at offset: UInt64?
    ) throws(StoreError) {
        let files = UploadFiles(key: upload.key, nonce: header.nonce)
        // Until its rename it is no journal, and a sweep removes it if this process dies.
        let draft = files.data + ".draft"
        var inheritance = Inheritance(from: upload.finishedFile.withLock { $0 }, before: offset ?? 0)
        do throws(StoreError) {
            let data = try onDisk { () throws(FileError) in try state.create(files.data) }
            _ = try reserve(for: chunk, data)
            // The ranges confirmed so far are copied without the journal's lock. Those confirmed meanwhile follow.
            let confirmed = offset == nil ? [] : try upload.look { $0.confirmed } ?? []
            try onDisk { () throws(FileError) in try inheritance.copy(confirmed, to: data) }
            let isDone = try upload.change { journal throws(FileError) in
                if offset != nil { try inheritance.copy(journal.confirmed, to: data) }
                // The client was told that these bytes are held, and they are gone: that must not be kept from it.
                if inheritance.isIncomplete { return try forget(journal, upload.key) }
                try keepEvents(of: journal, upload.key)
                var successor = try Journal.begin(try state.create(draft), header: header, boot: boot)
                if offset != nil, header.chunkSize == nil, let chunkSize = journal.chunkSize {
                    try successor.append([.chunkSize(chunkSize)])
                }
                try successor.append(inheritance.records)
                tell(successor) { .begun($0) }
                _ = try state.rename(draft, to: state, as: upload.files.journal, replacing: true)
                removeRecord(of: journal.header, journal.finalName)
            }
            if inheritance.isIncomplete {
                throw .untrusted(StoreCause("the finished file of the upload is gone, and chunks of it were confirmed"))
            }
            if !isDone { try onDisk { () throws(FileError) in try state.remove(files.data) } }
        } catch {
            try? state.remove(draft)
            try? state.remove(files.data)
            throw error
        }
        if inheritance.hasProvisional { waiting.withLock { _ = $0.insert(chunk.upload) } }
    }

    /// Publishes uploads that lack only provisional ranges, if nothing has come for them for a minute. To be called
    /// every few seconds.
    package func finishWaiting() {
        relieve()
        for id in waiting.withLock({ $0 }) {
            do throws(StoreError) {
                if let upload = try find(id), try upload.look({ $0.isPublished || $0.provisional.isEmpty }) == false {
                    try finish(upload)
                } else {
                    waiting.withLock { _ = $0.remove(id) }
                }
            } catch {
                // The disk may be full for a while: the next call tries again.
                continue
            }
        }
    }

    /// Lets provisional ranges count, if they are all that is missing and nothing has come for a minute.
    func settleProvisional(_ upload: Upload) throws(StoreError) {
        let status = try upload.look { journal, file in
            journal.coversFileProvisionally && !journal.coversFile ? file : nil
        }
        guard let status = status ?? nil else { return }
        _ = try upload.change { [time] journal throws(FileError) in
            guard try !isFromTheFuture(journal.file, status),
                status.modified + LocalStore.provisionalSeconds <= time
            else { return }
            try journal.append(journal.provisional.map { .held($0.range, checksum: $0.checksum) })
        }
    }
}

/// The ranges of a finished file that a new upload begins with.
private struct Inheritance {
    private let source: (any File)?
    private let offset: UInt64
    private var copied = 0
    /// How the new upload's journal records them.
    private(set) var records: [JournalRecord] = []
    /// True if a range cannot be had that the new upload's client takes to be held.
    private(set) var isIncomplete = false
    private(set) var hasProvisional = false

    /// - Parameters:
    ///   - source: the finished file; nil if no chunk of it was confirmed by this process.
    ///   - offset: what lies behind it is provisional.
    init(from source: (any File)?, before offset: UInt64) {
        self.source = source
        self.offset = offset
    }

    /// Copies the ranges that come behind those of the calls before.
    mutating func copy(_ confirmed: [Journal.HeldRecord], to data: any File) throws(FileError) {
        for record in confirmed.dropFirst(copied) {
            copied += 1
            let isProvisional = record.range.end > offset
            guard let source, try data.take(record, from: source) else {
                if !isProvisional { isIncomplete = true }
                continue
            }
            hasProvisional = hasProvisional || isProvisional
            records.append(.held(record.range, checksum: record.checksum, isProvisional: isProvisional))
        }
    }
}

extension File {
    /// Copies a range of another file to its place in this one.
    ///
    /// - Returns: false if the other file does not have the bytes of that checksum any more.
    fileprivate func take(_ record: Journal.HeldRecord, from source: any File) throws(FileError) -> Bool {
        guard source.matches(record) else { return false }
        return try copy(
            from: source, at: record.range.start, length: record.range.length, to: record.range.start)
            == record.range.length
    }
}

extension Journal {
    /// The name that the finished file got: its number and inode.
    var finalName: (number: UInt64, inode: UInt64)? {
        guard case .done(let number, let inode, _) = publication else { return nil }
        return (number, inode)
    }
}
