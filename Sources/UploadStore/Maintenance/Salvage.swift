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
            header.nonce = .random(in: 0 ... .max)
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
    /// journal of an unfinished upload is locked.
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
        let data = try state.create(files.data)
        if let size = header.size { _ = try data.reserve(size) }
        var records = journal.facts
        for range in try Journal.recordedRanges(in: journal.file) where try data.copy(range, from: source) {
            records.append(range.record)
        }
        var successor = try Journal.begin(try state.create(draft), header: header, boot: boot)
        try successor.append(records)
        try data.sync()
        try successor.append([.durable(records: UInt64(successor.records)), .syncing])
        try successor.sync()
        try state.sync()
        return successor
    }
}

/// A held or provisional range. The checksum is nil if its bytes were synced before they were recorded.
private struct SalvagedRange {
    let range: ByteRange
    let checksum: UInt64?
    var isProvisional = false

    var record: JournalRecord {
        checksum.map { .held(range, checksum: $0, isProvisional: isProvisional) } ?? .adopted(range)
    }
}

extension Journal {
    /// The facts about the upload in its records, beside its ranges.
    fileprivate var facts: [JournalRecord] {
        var facts: [JournalRecord] = []
        if let chunkSize, header.chunkSize == nil { facts.append(.chunkSize(chunkSize)) }
        if let size, header.size == nil { facts.append(.size(size)) }
        if let tail { facts.append(.tail(tail)) }
        if !metadata.isEmpty { facts.append(.described(metadata)) }
        return facts
    }

    /// The ranges that the journal in `file` records as held, in order, without those of which bytes were lost since:
    /// their checksums do not fit any more. The provisional ones come last.
    fileprivate static func recordedRanges(in file: any File) throws(FileError) -> [SalvagedRange] {
        var ranges: [SalvagedRange] = []
        let journal = try read(file) { record in
            switch record {
            case .held(let range, let checksum, isProvisional: false):
                ranges.append(SalvagedRange(range: range, checksum: checksum))
            case .adopted(let range): ranges.append(SalvagedRange(range: range, checksum: nil))
            case .lost(let lost): ranges.removeAll { $0.range.overlaps(lost) }
            default: break
            }
        }
        let provisional = (journal?.provisional ?? []).map {
            SalvagedRange(range: $0.range, checksum: $0.checksum, isProvisional: true)
        }
        return ranges + provisional
    }
}

extension File {
    /// Writes the bytes of a range of another file to the same place in this one. Never shares its blocks.
    ///
    /// - Returns: false if the other file does not have the bytes any more.
    fileprivate func copy(_ record: SalvagedRange, from source: any File) throws(FileError) -> Bool {
        guard let checksum = Checksum() else { return false }
        return try withCopyBuffer { buffer throws(FileError) in
            var position = record.range.start
            while position < record.range.end {
                let wanted = Int(min(UInt64(buffer.count), record.range.end - position))
                let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
                guard (try? source.read(into: piece, at: position)) == wanted else { return false }
                checksum.update(UnsafeRawBufferPointer(piece))
                try write(UnsafeRawBufferPointer(piece), at: position)
                position += UInt64(wanted)
            }
            return record.checksum == nil || record.checksum == checksum.value
        }
    }
}
