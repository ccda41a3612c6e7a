import Glibc
import Linux
import Synchronization
import UploadModel

/// Writes one chunk to its offset in the data file.
///
/// Bytes that are held already are compared, not written: a chunk that is sent again changes nothing and needs no lock.
/// If a byte differs, the range is removed from the journal first, then written, then recorded again: a crash in
/// between leaves a missing range, never a mix of both chunks.
final class LocalWriter: ChunkWriter {
    private enum State {
        /// The chunk was committed.
        case ended
        /// The whole range is held. `losses` is the journal's count from when that was found.
        case comparing(any File, losses: Int)
        /// This writer has locked the range. These parts of it are held already.
        case writing(any File, held: [ByteRange])
    }

    private let store: LocalStore
    private let upload: Upload
    private let layout: ChunkLayout
    private let metadata: Metadata
    private let consequence: Consequence
    private let checksum: Checksum
    private var state = State.ended
    private var received: UInt64 = 0
    private var scratch: [UInt8] = []

    /// The journal's state for the writer's range. It is read at once, because each look asks the kernel for the
    /// journal's length while other threads of the upload wait.
    private struct View {
        var published: Bool
        var held: [ByteRange]
        /// How long the data file is at least.
        var dataEnd: UInt64
        var losses: Int
        var mayForgetLoss: Bool
        /// The limits of the journal that the range would pass.
        var isTooFragmented: Bool
        var isAtLimit: Bool
        var isLarge: Bool
    }

    /// Nil if the upload was removed or finished meanwhile: then the caller starts again.
    ///
    /// - Parameters:
    ///   - client: the client for which space is reserved (`ChunkRequest.clientKey`).
    ///   - consequence: what is recorded in the same write as the chunk's `held` record.
    init?(
        store: LocalStore, upload: Upload, layout: ChunkLayout, metadata: Metadata, client: String,
        consequence: Consequence = .none
    ) throws(StoreError) {
        guard let checksum = Checksum() else { throw .noMemory }
        self.store = store
        self.upload = upload
        self.layout = layout
        self.metadata = metadata
        self.consequence = consequence
        self.checksum = checksum
        guard let state = try enter(for: client) else { return nil }
        self.state = state
    }

    /// Finds out whether there is something to write, and if so locks the range.
    private func enter(for client: String) throws(StoreError) -> State? {
        var budget = WaitBudget()
        while true {
            guard let view = try look(), !view.published else { return nil }
            guard let file = try store.openData(of: upload, needed: view.dataEnd) else {
                // The file is being renamed at this moment, or the upload has to begin again.
                guard budget.wait() else { throw .busy }
                continue
            }
            if isAll(view.held) {
                // Nothing is written, so nothing else would keep the upload from expiring.
                try store.keepAlive(upload)
                return .comparing(file, losses: view.losses)
            }
            try checkJournal(view)
            if try claim(file) {
                try store.prepare(file, of: upload, for: layout.range, from: client)
                // From here on no other writer changes the range: look again.
                guard let view = try look(), !view.published else { return nil }
                if !isAll(view.held) {
                    if view.mayForgetLoss { try makeLossesCertain() }
                    return .writing(file, held: view.held)
                }
            } else if !budget.wait() {
                throw .busy
            }
        }
    }

    /// Makes sure that the journal may record the chunk.
    private func checkJournal(_ view: View) throws(StoreError) {
        if view.isTooFragmented {
            if !upload.isScattered.exchange(true, ordering: .relaxed) {
                _ = try upload.look { store.tell($0) { .scattered($0) } }
            }
            throw .scattered
        }
        if view.isAtLimit { throw .tooManyRecords }
        if view.isLarge { try store.checkFloor(beforeWriting: LocalWriter.largeJournal) }
    }

    /// A journal of more bytes than that may no longer take space below the minimum that is left free.
    private static let largeJournal: UInt64 = 64 << 10

    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        let position = layout.offset + received
        received += UInt64(bytes.count)
        guard received <= layout.range.length else {
            throw .wrongLength(received: received, lengths: layout.lengths)
        }
        checksum.update(bytes)
        switch state {
        case .ended:
            break
        case .comparing(let file, let losses):
            if try isSame(bytes, as: file, at: position) { return }
            let taken = try takeOver(since: losses)
            try replace(taken)
            try put(bytes, in: taken, at: position)
        case .writing(let file, let held):
            try fill(bytes, in: file, at: position, held: held)
        }
    }

    func commit() throws(StoreError) -> Receipt {
        guard layout.lengths.contains(received) else {
            if received < layout.lengths[0] { throw .tooShort(received: received, lengths: layout.lengths) }
            throw .wrongLength(received: received, lengths: layout.lengths)
        }
        var effect = Receipt.Effect.duplicate
        // A duplicate may find a file whose publisher died.
        var isComplete = true
        switch state {
        case .ended:
            throw .busy
        case .comparing(_, let losses):
            // If a range was removed meanwhile, the bytes that were compared may have been replaced.
            guard let view = try look(), view.published || view.losses == losses else { throw .busy }
            if view.published {
                guard let range = ByteRange(from: layout.offset, length: received),
                    try upload.confirm(range, checksum: checksum.value)
                else { throw .busy }
                return Receipt(effect)
            }
            if consequence != .none {
                _ = try upload.change { journal throws(FileError) in try journal.append(consequence.records(journal)) }
            }
        case .writing(let file, _):
            isComplete = try record(file)
            effect = .stored
        }
        // Unlocks the range: publishing needs a lock on the whole file.
        state = .ended
        if isComplete, let path = try store.publish(upload) { return Receipt(.completed(path: path)) }
        return Receipt(effect)
    }

    /// Records that the range is held.
    ///
    /// - Returns: true if the file is complete.
    private func record(_ file: any File) throws(StoreError) -> Bool {
        guard let range = ByteRange(from: layout.offset, length: received) else { throw .busy }
        if store.settings.durability == .chunk {
            return try upload.syncing { number throws(StoreError) in
                try upload.sync { () throws(FileError) in
                    try file.sync()
                    try store.state.sync()
                }
                return (try record(range, of: file, durable: number), [])
            }
        }
        let isComplete = try record(range, of: file, durable: nil)
        // If the file is complete, publishing syncs it now.
        if !isComplete { try writeBack(range.length, of: file) }
        return isComplete
    }

    /// Appends the records, and syncs the journal if the records before `durable` are known to survive a power cut.
    ///
    /// - Returns: true if the file is complete.
    private func record(_ range: ByteRange, of file: any File, durable: UInt64?) throws(StoreError) -> Bool {
        var isComplete: Bool?
        _ = try upload.change { [value = checksum.value] journal throws(FileError) in
            let status = try file.status()
            // Writes succeed even if the file's name was removed by another program.
            guard status.names > 0, upload.isUndamaged(status, needed: journal.dataEnd) else { return }
            var records: [JournalRecord] = durable.map { [.durable(records: $0)] } ?? []
            records += [.held(range, checksum: value)] + consequence.records(journal)
            if let description = journal.description(metadata) { records.append(description) }
            try journal.append(records)
            if durable != nil { try journal.sync() }
            upload.noteLength(of: journal)
            isComplete = journal.coversFile
        }
        if let isComplete { return isComplete }
        try check(file)
        throw .busy
    }

    /// How many bytes may gather before write-back starts. Less would mean more and smaller writes to the medium.
    private static let writeBackInterval: UInt64 = 4 << 20
    /// How many unsynced bytes an upload may have. After a power cut, recovery has to read at most that many.
    private static let syncInterval: UInt64 = 256 << 20

    /// Lets the kernel write the bytes early, so that the sync of the whole file, before the last response, has little
    /// left to do.
    private func writeBack(_ count: UInt64, of file: any File) throws(StoreError) {
        let unsynced = upload.unsynced.add(count, ordering: .relaxed)
        if unsynced.newValue / LocalWriter.writeBackInterval > unsynced.oldValue / LocalWriter.writeBackInterval {
            file.startWriteBack()
        }
        if unsynced.newValue >= LocalWriter.syncInterval { try upload.syncData(file) }
    }

    private func look() throws(StoreError) -> View? {
        try upload.look { [range = layout.range] journal in
            View(
                published: journal.isPublished, held: journal.held.intersection(range), dataEnd: journal.dataEnd,
                losses: journal.losses, mayForgetLoss: journal.mayForgetLoss,
                isTooFragmented: journal.isTooFragmented(for: range), isAtLimit: journal.isAtLimit,
                isLarge: journal.position > LocalWriter.largeJournal)
        }
    }

    private func isAll(_ held: [ByteRange]) -> Bool {
        layout.range.isEmpty || held == [layout.range]
    }

    private func claim(_ file: any File) throws(StoreError) -> Bool {
        try onDisk { () throws(FileError) in
            try file.lock(offset: layout.offset, length: layout.range.length, wait: false)
        }
    }

    /// Goes from comparing to writing: locks the range.
    ///
    /// - Throws: `StoreError.busy` if the upload was finished meanwhile: the chunk has to be sent again.
    private func takeOver(since losses: Int) throws(StoreError) -> any File {
        var budget = WaitBudget()
        while true {
            // The bytes that were compared so far must still be held, or they would mix with those written now.
            guard let view = try look(), !view.published, view.losses == losses else { throw .busy }
            try checkJournal(view)
            if let file = try store.openData(of: upload, needed: view.dataEnd), try claim(file) {
                guard let view = try look(), !view.published, view.losses == losses else { throw .busy }
                return file
            }
            guard budget.wait() else { throw .busy }
        }
    }

    /// Removes the range from the journal, and syncs data and journal: after a power cut the journal must not vouch for
    /// bytes that were overwritten.
    private func replace(_ file: any File) throws(StoreError) {
        try upload.syncData(file)
        // While it may still be the shorter of two possible chunks, the bytes after that one belong to another chunk.
        let shorter = received <= layout.lengths[0] ? ByteRange(from: layout.offset, length: layout.lengths[0]) : nil
        let held = try upload.syncing { [all = layout.range] _ throws(StoreError) in
            var held: [ByteRange] = []
            let done = try upload.change { journal throws(FileError) in
                try journal.append([.lost(shorter ?? all)])
                try journal.sync()
                held = journal.held.intersection(all)
            }
            guard done else { throw .busy }
            return (held, [])
        }
        state = .writing(file, held: held)
    }

    /// Syncs a `lost` record that another writer has appended and may have died before syncing.
    private func makeLossesCertain() throws(StoreError) {
        try upload.syncing { _ throws(StoreError) in
            _ = try upload.change { journal throws(FileError) in try journal.sync() }
            return ((), [])
        }
    }

    private func put(_ bytes: UnsafeRawBufferPointer, in file: any File, at position: UInt64) throws(StoreError) {
        if upload.mayHideTruncation(writingTo: position + UInt64(bytes.count)) { try check(file) }
        try onDisk { () throws(FileError) in try file.write(bytes, at: position) }
    }

    /// Makes sure that no other program has damaged the data file. If it has lost its name, `record` finds that.
    private func check(_ file: any File) throws(StoreError) {
        let status = try onDisk { () throws(FileError) in try file.status() }
        if status.names > 0 { try upload.checkData(status) }
    }

    /// Writes missing parts and compares held ones. So a larger chunk that is broken off removes no acknowledged bytes,
    /// as long as nothing differs.
    private func fill(
        _ bytes: UnsafeRawBufferPointer, in file: any File, at position: UInt64, held: [ByteRange]
    ) throws(StoreError) {
        let end = position + UInt64(bytes.count)
        var start = position
        func piece(to end: UInt64) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: bytes[Int(start - position)..<Int(end - position)])
        }
        for part in held where part.end > start && part.start < end {
            if part.start > start {
                try put(piece(to: part.start), in: file, at: start)
                start = part.start
            }
            let partEnd = min(part.end, end)
            guard try isSame(piece(to: partEnd), as: file, at: start) else {
                try replace(file)
                break
            }
            start = partEnd
        }
        try put(piece(to: end), in: file, at: start)
    }

    private func isSame(
        _ bytes: UnsafeRawBufferPointer, as file: any File, at position: UInt64
    ) throws(StoreError) -> Bool {
        try onDisk { () throws(FileError) in try file.hasBytes(bytes, at: position, scratch: &scratch) }
    }
}
