import Glibc
import Synchronization
import UploadModel

// Takes over uploads that the Flask backend didn't finish (PROTOCOL.md, Promises). It leaves a folder below the root,
// named after the identifier, with a file for each chunk: `<filename>_part_NNN`. The first request for such an upload
// takes the parts over: their bytes are copied to their offsets (shared, if the file system supports that), synced and
// recorded, and only then the parts are removed. A part whose length doesn't fit its chunk was being written when Flask
// stopped: it doesn't count, and is removed when the upload is finished.
//
// Only in the flat layout: in the others, a folder below the root may hold finished files.

/// The parts of one upload that are still in Flask's folder.
struct FlaskParts {
    struct Part {
        let name: String
        let number: UInt64
        let length: UInt64
        /// The chunk's range in the file; nil if the length doesn't fit it, or while the range is not known.
        var range: ByteRange?
    }

    let folder: any Directory
    var parts: [Part]

    /// - Returns: nil if there are none.
    init?(of id: UploadID, in root: any Directory) throws(FileError) {
        // The Flask backend had no owners, and identifiers that can't be a folder's name had no folder.
        guard id.owner == .nobody, let name = try? FileName(id.identifier, parameter: ""),
            name.isUnchanged, name.text != LocalStore.stateFolder
        else {
            return nil
        }
        do throws(FileError) {
            guard let folder = try root.existingFolder(name.text) else { return nil }
            self.folder = folder
        } catch {
            if error.isNotAFolder { return nil }
            throw error
        }
        parts = []
        for name in try folder.names() {
            guard let number = FlaskParts.number(of: name, id.filename), let status = try folder.status(name),
                status.isRegular
            else { continue }
            parts.append(Part(name: name, number: number, length: status.size))
        }
        if parts.isEmpty { return nil }
        parts.sort { $0.number < $1.number }
    }

    /// The number in the name of a part: three digits, or more if needed (the Flask backend's `get_chunk_name`).
    private static func number(of name: String, _ filename: FileName) -> UInt64? {
        let prefix = filename.original + "_part_"
        guard name.utf8.starts(with: prefix.utf8) else { return nil }
        let digits = String(decoding: name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
        guard let number = UInt64(digits), (1...0x7fff_ffff).contains(number) else { return nil }
        let plain = String(number)
        return digits == String(repeating: "0", count: max(0, 3 - plain.count)) + plain ? number : nil
    }

    /// Sets the ranges of all parts.
    mutating func place(for chunk: ChunkRequest, chunkSize: UInt64?) {
        for index in parts.indices { parts[index].range = parts[index].range(for: chunk, chunkSize: chunkSize) }
    }

    /// The chunk size that the parts show; nil if they don't. A part that was being written is shorter, so the longest
    /// length counts, and only if two parts have it: a single part may be cut off. Then the parts wait until a chunk
    /// from the client shows the size.
    func chunkSize(of chunks: UInt64) -> UInt64? {
        let lengths = parts.filter { $0.number < chunks }.map(\.length)
        guard let longest = lengths.max(), longest > 0, lengths.count(where: { $0 == longest }) > 1 else { return nil }
        return longest
    }
}

extension FlaskParts.Part {
    fileprivate func range(for chunk: ChunkRequest, chunkSize: UInt64?) -> ByteRange? {
        switch chunk.place {
        case .sized(let total, let chunkSize, _):
            return ChunkLayout(number: number, chunkSize: chunkSize, total: total)?.settled(length: length)?.range
        case .counted(let chunks):
            if number == 1 && chunks == 1 { return ByteRange(first: length) }
            guard let chunkSize, number < chunks ? length == chunkSize : number == chunks && length < 2 * chunkSize
            else { return nil }
            let (start, overflow) = (number - 1).multipliedReportingOverflow(by: chunkSize)
            return overflow ? nil : ByteRange(from: start, length: length)
        }
    }
}

extension LocalStore {
    /// How many bytes one request takes over at most, so that it ends before the proxy's time-out.
    private static let takeOverLimit: UInt64 = 256 << 20

    /// True if the Flask backend has left parts of the upload of `chunk`.
    func hasParts(_ chunk: ChunkRequest) throws(StoreError) -> Bool {
        guard settings.layout == .flat else { return false }
        return try onDisk { () throws(FileError) in try FlaskParts(of: chunk.upload, in: root) } != nil
    }

    /// Takes parts over, as many as one request may.
    ///
    /// - Returns: the parts that are left for the next requests.
    func takeOver(_ upload: Upload, _ chunk: ChunkRequest) throws(StoreError) -> [FlaskParts.Part] {
        guard settings.layout == .flat, upload.mayHaveParts.load(ordering: .relaxed) else { return [] }
        // Usually there are no parts, and one call tells.
        if try onDisk({ () throws(FileError) in try FlaskParts(of: upload.id, in: root) }) == nil {
            upload.mayHaveParts.store(false, ordering: .relaxed)
            // A process may have died after it removed the last part, before it removed the folder.
            if try upload.look({ $0.hasAdopted }) == true { try? root.removeFolder(upload.id.identifier) }
            return []
        }
        // One thread of one process at a time; the lock ends with the file.
        guard let lock = try onDisk({ () throws(FileError) in try state.open(upload.files.journal) }) else { return [] }
        _ = try onDisk { () throws(FileError) in try lock.lock(offset: 1, length: 1, wait: true) }
        defer { lock.unlock(offset: 1, length: 1) }
        guard var parts = try onDisk({ () throws(FileError) in try FlaskParts(of: upload.id, in: root) }),
            let data = try waitForData(of: upload)
        else { return [] }
        if case .counted(let chunks) = chunk.place, let chunkSize = parts.chunkSize(of: chunks) {
            _ = try upload.change { journal throws(FileError) in
                if journal.chunkSize == nil { try journal.append([.chunkSize(chunkSize)]) }
            }
        }
        parts.place(for: chunk, chunkSize: try upload.look { $0.chunkSize } ?? nil)
        var taken: [FlaskParts.Part] = []
        var postponed: [FlaskParts.Part] = []
        var copied: UInt64 = 0
        for part in parts.parts {
            guard let range = part.range else { continue }
            if copied >= LocalStore.takeOverLimit {
                postponed.append(part)
            } else if try take(part, range, from: parts.folder, to: data, of: upload) {
                taken.append(part)
                copied += range.length
            }
        }
        if !taken.isEmpty {
            let heldBefore = try upload.look { $0.held.count } ?? 0
            do { try record(taken, of: upload, chunk, data) } catch {
                // The parts still exist. If nothing else was held, nothing was lost with the upload.
                if heldBefore == 0, case .untrusted(let cause) = error { throw .failed(cause) }
                throw error
            }
            try onDisk { () throws(FileError) in
                for part in taken { try parts.folder.remove(part.name) }
                // A part that came back with a power cut would overwrite bytes that have replaced it since.
                try parts.folder.sync()
                try root.removeFolder(upload.id.identifier)
            }
        }
        return postponed
    }

    /// The data file, which another thread may be creating; nil if the upload is finished or removed.
    private func waitForData(of upload: Upload) throws(StoreError) -> (any File)? {
        var budget = WaitBudget()
        while try upload.look({ !$0.isPublished }) == true {
            if let data = try openData(of: upload) { return data }
            guard budget.wait() else { throw .busy }
        }
        return nil
    }

    /// Copies a part to its range, unless that is held already.
    ///
    /// - Returns: false if the part can't be read, or a client is sending the same range.
    private func take(
        _ part: FlaskParts.Part, _ range: ByteRange, from folder: any Directory, to data: any File, of upload: Upload
    ) throws(StoreError) -> Bool {
        if !range.isEmpty {
            let isOurs = try onDisk { () throws(FileError) in
                try data.lock(offset: range.start, length: range.length, wait: false)
            }
            // From here on no other writer changes the range.
            guard isOurs, let held = try upload.look({ $0.held.intersection(range) }) else { return false }
            if held == [range] { return true }
            guard held.isEmpty else { return false }
        }
        do throws(FileError) {
            guard let file = try folder.open(part.name) else { return false }
            return try data.copy(from: file, at: 0, length: range.length, to: range.start) == range.length
        } catch {
            // The Flask backend ran as another user.
            if error.code == EACCES || error.code == EPERM { return false }
            throw StoreError(error)
        }
    }

    private func record(
        _ taken: [FlaskParts.Part], of upload: Upload, _ chunk: ChunkRequest, _ data: any File
    ) throws(StoreError) {
        try upload.syncing { _ throws(StoreError) in
            try upload.sync { () throws(FileError) in
                try data.sync()
                try state.sync()
            }
            let recorded = try upload.change { journal throws(FileError) in
                for part in taken {
                    guard let range = part.range else { continue }
                    var records: [JournalRecord] = journal.held.contains(range) ? [] : [.adopted(range)]
                    if journal.size == nil && chunk.place == .counted(chunks: part.number) {
                        records.append(.size(range.end))
                    }
                    try journal.append(records)
                }
                try journal.sync()
            }
            guard recorded else { throw .busy }
            return ((), [])
        }
    }

    /// Removes the remaining parts and their folder, before the file gets its name. If the process dies in between,
    /// publishing starts again and so does this.
    func clearParts(of id: UploadID) {
        guard settings.layout == .flat, let parts = try? FlaskParts(of: id, in: root) else { return }
        for part in parts.parts { try? parts.folder.remove(part.name) }
        try? root.removeFolder(id.identifier)
    }
}
