import Glibc
import Linux
import UploadModel

// Salvages an upload in whose sync a process was killed. If that sync failed, the kernel has dropped pages that it
// could not write, and no later sync of the same file writes them. So every held range is read, compared with its
// checksum and written to a new data file, and a new journal takes the place of the old one. Nothing that was
// acknowledged is lost unless it cannot be read any more.

extension LocalStore {
    /// Salvages an upload.
    ///
    /// - Parameters:
    ///   - found: its journal, for which `checkSyncs` has found that a sync was abandoned.
    ///   - destination: where the finished file goes.
    /// - Returns: the new journal; nil if another process has changed the upload meanwhile.
    func salvage(
        _ found: Journal, _ files: UploadFiles, _ key: UploadKey, _ destination: Destination
    ) throws(FileError) -> Journal? {
        var journal = found
        return try journal.locked { journal throws(FileError) -> Journal? in
            guard try journal.file.status().names > 0 else { return nil }
            try journal.checkSyncs()
            guard journal.isSyncAbandoned, let source = try state.open(files.data) else { return nil }
            try removeAbandonedCopies(key, but: files)
            var header = journal.header
            header.nonce = Nonce.next()
            let newFiles = UploadFiles(key: key, nonce: header.nonce)
            let draft = newFiles.data + ".draft"
            var successor: Journal
            do throws(FileError) {
                successor = try copy(journal, from: source, header, to: newFiles, draft: draft)
                _ = try state.rename(draft, to: state, as: files.journal, replacing: true)
            } catch {
                try? state.remove(draft)
                try? state.remove(newFiles.data)
                throw error
            }
            // From here on the new files are those of the upload. A sweep removes the old data file if this fails.
            // The successor ends with an open sync, so if this one fails, too, the upload is salvaged again: a later
            // sync would have nothing to write.
            try state.sync()
            // If the sync of the file's folders failed, they are not on the disk, and another sync would not write them:
            // publishing has to make them again.
            destination.removeFolders(from: root)
            try? successor.close(UInt64(successor.records - 1))
            try? state.remove(files.data)
            return successor
        }
    }

    /// Removes the files of earlier salvages whose process was killed. A sweep would remove them too, but only after an
    /// hour, and a server that is killed again and again would fill the disk. Nothing else creates such files while the
    /// journal of an unfinished upload is locked, except a request that has begun to receive the file in one chunk
    /// before there was a journal: it goes by the journal if its data file has lost its name (`WholeFileWriter`).
    private func removeAbandonedCopies(_ key: UploadKey, but files: UploadFiles) throws(FileError) {
        for name in try state.names() where name.hasPrefix(key.text + "-") && name != files.data {
            try state.remove(name)
        }
    }

    /// Writes the new data file and the new journal, and syncs both: ranges that were synced before must survive a
    /// power cut now, too.
    private func copy(
        _ journal: Journal, from source: any File, _ header: JournalHeader, to files: UploadFiles, draft: String
    ) throws(FileError) -> Journal {
        let space = try root.space()
        guard space.free >= journal.held.count, space.free - journal.held.count >= settings.minimumFree else {
            throw FileError(operation: "write", name: files.data, code: ENOSPC)
        }
        let data = try state.create(files.data)
        var records = journal.facts
        for range in try Journal.recordedRanges(in: journal.file) {
            records += try data.copy(range, from: source)
        }
        var successor = try Journal.begin(try state.create(draft), header: header, boot: boot)
        try successor.append(records)
        // Its bytes may be lost, like those of any range.
        if let tail = journal.tail, let range = tail.range, successor.held.contains(range) {
            try successor.append([.tail(tail)])
        }
        try data.sync()
        try successor.append([.durable(records: UInt64(successor.records)), .syncing])
        try successor.sync()
        try state.sync()
        return successor
    }
}

/// A held or provisional range as it was recorded.
private struct SalvagedRange {
    let range: ByteRange
    /// Nil if its bytes were synced before they were recorded.
    let checksum: UInt64?
    /// The parts of the range that are held because of this record. The others were lost or recorded again since.
    let remaining: [ByteRange]
    /// True if all bytes of the range are held, because of this record or of others.
    var isHeld = true
    /// True if the bytes were synced after they were recorded.
    var isDurable = false
    var isProvisional = false
}

extension Journal {
    /// The facts about the upload in its records, beside its ranges and its last chunk.
    fileprivate var facts: [JournalRecord] {
        var facts: [JournalRecord] = []
        if let chunkSize, header.chunkSize == nil { facts.append(.chunkSize(chunkSize)) }
        if let size, header.size == nil { facts.append(.size(size)) }
        if !metadata.isEmpty { facts.append(.described(metadata)) }
        return facts
    }

    /// The ranges that the journal in `file` records as held, in order. The provisional ones come last.
    fileprivate static func recordedRanges(in file: any File) throws(FileError) -> [SalvagedRange] {
        var history = RangeHistory()
        var durable: UInt64 = 0
        let journal = try read(file) { record, number in
            func add(_ range: ByteRange, isHeld: Bool, checksum: UInt64? = nil) {
                history.append(.init(range: range, isHeld: isHeld, checksum: checksum, number: number))
            }
            switch record {
            case .held(let range, let checksum, isProvisional: false): add(range, isHeld: true, checksum: checksum)
            case .adopted(let range): add(range, isHeld: true)
            case .lost(let range): add(range, isHeld: false)
            case .durable(let number): durable = max(durable, number)
            default: break
            }
        }
        guard let journal else { return [] }
        let ranges = history.remaining().map { step, remaining in
            SalvagedRange(
                range: step.range, checksum: step.checksum, remaining: remaining,
                isHeld: journal.held.contains(step.range), isDurable: step.number < durable)
        }
        return ranges
            + journal.provisional.map {
                SalvagedRange(range: $0.range, checksum: $0.checksum, remaining: [$0.range], isProvisional: true)
            }
    }
}

extension File {
    /// Writes a recorded range of another file to the same place in this one.
    ///
    /// - Returns: the records for the new journal; none if the other file does not have the bytes any more.
    fileprivate func copy(_ record: SalvagedRange, from source: any File) throws(FileError) -> [JournalRecord] {
        guard let checksum = try copy(record.range, from: source) else { return [] }
        guard let recorded = record.checksum else { return record.remaining.map { .adopted($0) } }
        if checksum == recorded && record.isHeld {
            return [.held(record.range, checksum: checksum, isProvisional: record.isProvisional)]
        }
        // The recorded checksum is of bytes that were replaced since. Those around them were synced before that
        // (`LocalWriter`).
        var records: [JournalRecord] = []
        if record.isDurable && record.remaining != [record.range] {
            for range in record.remaining {
                if let checksum = try copy(range, from: source) { records.append(.held(range, checksum: checksum)) }
            }
        }
        return records
    }

    /// Writes the bytes of a range of another file to the same place in this one. Never shares its blocks.
    ///
    /// - Returns: their checksum; nil if they cannot be read.
    private func copy(_ range: ByteRange, from source: any File) throws(FileError) -> UInt64? {
        guard let checksum = Checksum() else { return nil }
        return try withCopyBuffer { buffer throws(FileError) in
            var position = range.start
            while position < range.end {
                let wanted = Int(min(UInt64(buffer.count), range.end - position))
                let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
                guard (try? source.read(into: piece, at: position)) == wanted else { return nil }
                checksum.update(UnsafeRawBufferPointer(piece))
                try write(UnsafeRawBufferPointer(piece), at: position)
                position += UInt64(wanted)
            }
            return checksum.value
        }
    }
}
