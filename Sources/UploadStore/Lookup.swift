import Linux
import UploadModel

// Finds the upload of a request. Beginning.swift begins those that are not found.
//
// Two requests are for the same upload if identifier and file name are the same. If they state different sizes:
//
//   - a finished upload is replaced by a new one of the other size, or when its file is gone;
//   - an upload under way keeps its size, and the request fails: otherwise a changed file with the same identifier
//     would mix with the old one, and of two senders the store cannot know which is right;
//   - with `SizeChangePolicy.restart`, an upload under way begins again if no range of it is locked and nothing was
//     added to it for a minute. Only a chunk restarts it. A test in that situation is answered that nothing is held.
//
// An upload under way whose client stated another modification time begins again under the same conditions, whatever
// the settings.

extension LocalStore {
    /// How long nothing may have been added to an upload before another version of the file restarts it, in seconds.
    static let quietSeconds: UInt64 = 60

    /// The upload, under way or finished; nil if there is none.
    func find(_ id: UploadID) throws(StoreError) -> Upload? {
        let key = UploadKey(id)
        if let upload = try opened(key) { return upload }
        let found = try cache.opening(key) { () throws(StoreError) -> (upload: Upload?, hasJournal: Bool) in
            // Another thread may have opened it meanwhile.
            if let upload = try opened(key) { return (upload, true) }
            var journal = try onDisk { () throws(FileError) -> Journal? in
                guard let file = try state.open(key.journal) else { return nil }
                return try Journal.read(file)
            }
            if journal == nil { journal = try journalFromFile(of: id, key) }
            guard let journal else { return (nil, false) }
            return (try adopt(journal, id, key).map(cache.keep), true)
        }
        return found.hasJournal ? found.upload : try findWithoutPath(id)
    }

    /// The upload, if it is open and still there.
    private func opened(_ key: UploadKey) throws(StoreError) -> Upload? {
        guard let upload = cache[key] else { return nil }
        if try upload.look({ _ in true }) == true { return upload }
        cache.drop(upload)
        return nil
    }

    /// An upload with the same path that an earlier release began: then the path was not part of the identity.
    private func findWithoutPath(_ id: UploadID) throws(StoreError) -> Upload? {
        guard let path = id.path, let older = id.withoutPath else { return nil }
        guard let upload = try find(older), try upload.look({ $0.header.relativePath }) == path else { return nil }
        return upload
    }

    /// The upload that a test asks about; nil if there is none, or one that a chunk of the same request would replace.
    func known(_ chunk: ChunkRequest) throws(StoreError) -> Upload? {
        guard let upload = try find(chunk.upload), try hasData(upload) else {
            return try hasParts(chunk) ? begin(chunk) : nil
        }
        guard let contradiction = try learn(chunk, upload) else {
            return try answersTests(upload, of: chunk) ? upload : nil
        }
        switch contradiction {
        case .finished, .otherVersion: return nil
        case .underWay(let size, let touched):
            if settings.onSizeChange == .restart && touched + LocalStore.quietSeconds <= time { return nil }
            throw .sizeDiffers(known: size)
        }
    }

    /// True if the upload is finished, or its data file is there and undamaged. If not, the upload is gone afterwards.
    func hasData(_ upload: Upload) throws(StoreError) -> Bool {
        if try upload.look({ $0.isPublished }) == true { return true }
        switch try dataState(of: upload) {
        case .undamaged: return true
        case .damaged: return false
        case .missing:
            _ = try openData(of: upload)
            return try upload.look { _ in true } == true
        }
    }

    /// The state of the data file of an upload under way.
    enum DataState {
        case undamaged
        /// The upload is gone now.
        case damaged
        /// It has its final name, or the upload was removed, or another program has removed the file.
        case missing
    }

    /// Looks at the data file of an upload under way. Removes the upload if the file is damaged.
    ///
    /// - Parameter needed: `Journal.dataEnd`, if the caller has just looked at the journal.
    func dataState(of upload: Upload, needed: UInt64? = nil) throws(StoreError) -> DataState {
        guard let status = try onDisk({ () throws(FileError) in try state.status(upload.files.data) }) else {
            return .missing
        }
        do { try upload.checkData(status, needed: needed) } catch {
            guard case .untrusted = error else { throw error }
            return .damaged
        }
        return .undamaged
    }

    /// How a request differs from the upload with its identity.
    enum Contradiction {
        case finished
        case underWay(size: UInt64, touched: UInt64)
        /// The upload under way has another modification time.
        case otherVersion
    }

    /// Compares the sizes that a request states with those of the upload, and records them if the upload has none yet.
    func learn(_ chunk: ChunkRequest, _ upload: Upload) throws(StoreError) -> Contradiction? {
        if let stated = chunk.lastModified,
            try upload.look({ !$0.isPublished && ($0.header.lastModified ?? stated) != stated }) == true
        {
            return .otherVersion
        }
        guard case .sized(let total, let chunkSize, _) = chunk.place else { return nil }
        func compare(_ journal: Journal) -> Contradiction? {
            // If the size isn't known, ranges beyond the stated size contradict it.
            let size = journal.size ?? journal.heldEnd
            if size == total { return nil }
            if journal.isPublished { return .finished }
            return .underWay(size: size, touched: (try? journal.file.status())?.modified ?? time)
        }
        if let known = try upload.look({ (isKnown: $0.size != nil, contradiction: compare($0)) }), known.isKnown {
            return known.contradiction
        }
        _ = try upload.change { journal throws(FileError) in
            if journal.chunkSize == nil { try journal.append([.chunkSize(chunkSize)]) }
        }
        // The last chunk, if it is held already, settles the size.
        try placeTail(of: upload)
        _ = try upload.change { journal throws(FileError) in
            if journal.size == nil && journal.heldEnd <= total { try journal.append([.size(total)]) }
        }
        return try upload.look(compare) ?? nil
    }

    /// The upload of a journal that was read from disk, after recovery. Nil if nothing is left of it.
    private func adopt(_ found: Journal, _ id: UploadID, _ key: UploadKey) throws(StoreError) -> Upload? {
        guard found.header.uploadID == id else {
            throw .failed(StoreCause("\(key.journal) belongs to another upload"))
        }
        var files = UploadFiles(key: key, nonce: found.header.nonce)
        let destination = try Destination(id, relativePath: found.header.relativePath, layout: settings.layout)
        let journal = try onDisk { () throws(FileError) -> Journal? in
            var journal = found
            do throws(FileError) {
                if journal.boot == boot {
                    try journal.checkSyncs()
                    if journal.isSyncAbandoned, try state.status(files.data) != nil {
                        guard let salvaged = try salvage(journal, files, key, destination) else { return nil }
                        journal = salvaged
                        files = UploadFiles(key: key, nonce: salvaged.header.nonce)
                    }
                }
                if case .announced = journal.publication {
                    try journal.locked { journal throws(FileError) in
                        try journal.refresh()
                        try settle(&journal, files, destination)
                    }
                }
                if journal.boot != boot && !journal.isPublished {
                    guard try recover(&journal, files) else { return nil }
                }
            } catch {
                if journal.isBroken {
                    try? state.remove(files.data)
                    try? state.remove(files.journal)
                    tell(journal) { .removed($0, .lost) }
                }
                throw error
            }
            journal.trust()
            if !journal.provisional.isEmpty { waiting.withLock { _ = $0.insert(id) } }
            return journal
        }
        return journal.map {
            Upload(
                id: id, key: key, files: files, destination: destination, state: state, journal: $0, observe: observe)
        }
    }

    /// False for a finished upload unless it is plausible that the client has the same file (PROTOCOL.md, How bytes are
    /// matched to files).
    private func answersTests(_ upload: Upload, of chunk: ChunkRequest) throws(StoreError) -> Bool {
        let isPlausible = try upload.look { [time, settings] journal in
            guard case .done(_, _, let finished) = journal.publication else { return true }
            if let stated = chunk.lastModified, let known = journal.header.lastModified { return stated == known }
            // Sending a file of one chunk costs no more than asking for it.
            if chunk.isOnlyChunk { return false }
            // A clock that was set back must not make the window longer.
            return time < finished + settings.finishedWindow && finished <= time + settings.finishedWindow
        }
        guard isPlausible == true else { return false }
        return try stands(upload) ?? true
    }
}

extension UploadID {
    /// The same upload as earlier releases knew it; nil if it has no path.
    var withoutPath: UploadID? {
        guard path != nil else { return nil }
        var older = self
        older.path = nil
        return older
    }
}

extension Journal {
    /// The end of the last held range, without a last chunk whose offset is not known yet.
    var heldEnd: UInt64 { held.ranges.last { $0.start < Journal.tailOffset }?.end ?? 0 }

    /// How long the data file is at least: the end of everything that is held, with a last chunk whose offset is not
    /// known yet.
    var dataEnd: UInt64 {
        // An empty chunk makes no file longer.
        if let tail = tail?.range, !tail.isEmpty { return tail.end }
        return heldEnd
    }

    /// True if the file has its final name.
    var isPublished: Bool {
        if case .done = publication { true } else { false }
    }
}
