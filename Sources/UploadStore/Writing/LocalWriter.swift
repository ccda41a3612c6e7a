import Glibc
import Synchronization
import UploadModel

/// What follows from a chunk beside that it is held.
enum Consequence: Equatable {
    case none
    /// It is the last, and waits for its place.
    case tail(Tail)
    /// It is the last, so the file's size is known. The bytes where it waited, if it did, are no longer needed.
    case size(UInt64, releasing: ByteRange?)

    /// How that is written down, unless it is already.
    func records(_ journal: Journal) -> [JournalRecord] {
        switch self {
        case .tail(let tail) where journal.tail != tail && journal.size == nil:
            [.tail(tail)]
        case .size(let size, let waited) where journal.size == nil:
            [.size(size)] + (waited.map { [.lost($0)] } ?? [])
        case .none, .tail, .size:
            []
        }
    }
}

/// Takes one chunk into its place in the data file.
///
/// Bytes that are held already are compared, not written: a chunk that is sent again changes nothing and needs no lock.
/// Where one differs, the range is taken out of the journal first, then written, then put back: a crash in between
/// leaves "missing", never a mix.
final class LocalWriter: ChunkWriter {
    private enum State {
        /// The file is complete: nothing is written, whatever comes.
        case finished
        /// All of the range is held, and was when the journal counted that many losses.
        case comparing(any File, losses: Int)
        /// The range is ours. These parts of it are held already.
        case writing(any File, held: [ByteRange])
    }

    private let store: LocalStore
    private let upload: Upload
    private let layout: ChunkLayout
    private let metadata: Metadata
    private let consequence: Consequence
    private let checksum: Checksum
    private var state = State.finished
    private var received: UInt64 = 0
    private var scratch: [UInt8] = []

    /// What the journal says of our range.
    private struct View {
        var published: Bool
        var held: [ByteRange]
        var losses: Int
    }

    /// Nil if the upload was removed, or finished and forgotten, while we came: then the caller starts again.
    ///
    /// - Parameter consequence: what is to be recorded in the same moment as that the chunk is held.
    init?(
        store: LocalStore, upload: Upload, layout: ChunkLayout, metadata: Metadata,
        consequence: Consequence = .none
    ) throws(StoreError) {
        guard let checksum = Checksum() else { throw .noMemory }
        self.store = store
        self.upload = upload
        self.layout = layout
        self.metadata = metadata
        self.consequence = consequence
        self.checksum = checksum
        guard let state = try enter() else { return nil }
        self.state = state
    }

    /// Finds out what there is to do, and takes the range if there is something to write.
    private func enter() throws(StoreError) -> State? {
        var budget = WaitBudget()
        while true {
            guard let view = try look() else { return nil }
            if view.published { return .finished }
            guard let file = try store.openData(of: upload) else {
                // It is just getting its name, or has to be begun again.
                guard budget.wait() else { throw .busy }
                continue
            }
            if isAll(view.held) {
                // Nothing is written, so nothing else shows that the sender is at work.
                try store.keepAlive(upload)
                return .comparing(file, losses: view.losses)
            }
            if try claim(file) {
                try store.checkFloor(beforeWriting: layout.range.length, isReserved: upload.isReserved)
                // Only now nobody else can write here: look again.
                guard let view = try look() else { return nil }
                if view.published { return .finished }
                if !isAll(view.held) {
                    try makeLossesCertain()
                    return .writing(file, held: view.held)
                }
            } else if !budget.wait() {
                throw .busy
            }
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        let position = layout.offset + received
        received += UInt64(bytes.count)
        guard received <= layout.range.length else {
            throw .wrongLength(received: received, lengths: layout.lengths)
        }
        checksum.update(bytes)
        switch state {
        case .finished:
            break
        case .comparing(let file, let losses):
            if try isSame(bytes, as: file, at: position) { return }
            guard let taken = try takeOver(since: losses) else { return state = .finished }
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
        switch state {
        case .finished:
            return Receipt(.duplicate)
        case .comparing(_, let losses):
            // If something was replaced meanwhile, it may have been what we compared with.
            guard let view = try look(), view.published || view.losses == losses else { throw .busy }
            if consequence != .none {
                _ = try upload.change { journal throws(FileError) in try journal.append(consequence.records(journal)) }
            }
        case .writing(let file, _):
            try record(file)
            effect = .stored
        }
        // Gives the range back: publishing needs the whole file.
        state = .finished
        if let path = try store.publish(upload) { return Receipt(.completed(path: path)) }
        return Receipt(effect)
    }

    /// Writes down that the bytes are there.
    private func record(_ file: any File) throws(StoreError) {
        guard let range = ByteRange(from: layout.offset, length: received) else { throw .busy }
        let isDurable = store.settings.durability == .chunk
        if isDurable {
            try upload.syncData(file)
            try upload.sync { () throws(FileError) in try store.state.sync() }
        }
        var isThere = false
        var isComplete = false
        let recorded = try upload.change { [value = checksum.value] journal throws(FileError) in
            // A file that somebody removed by hand takes bytes as well.
            isThere = try file.status().names > 0
            guard isThere else { return }
            var records: [JournalRecord] = [.held(range, checksum: value)] + consequence.records(journal)
            if !metadata.isEmpty && metadata != journal.metadata { records.append(.described(metadata)) }
            try journal.append(records)
            if isDurable { try journal.sync() }
            isComplete = journal.coversFile
        }
        guard recorded, isThere else { throw .busy }
        // What makes the file complete is synced in a moment.
        if !isDurable && !isComplete { try writeBack(range.length, of: file) }
    }

    /// How many bytes are written to the medium at once: smaller pieces would cost as many calls to the disk each.
    private static let writeBackInterval: UInt64 = 4 << 20
    /// How many bytes of an upload may be in doubt after a power cut: so many are read again then.
    private static let syncInterval: UInt64 = 256 << 20

    /// Has the kernel write what came lately, so that the sync of the whole file, before its last answer, finds little
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
                published: journal.isPublished, held: journal.held.intersection(range), losses: journal.losses)
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

    /// Goes from comparing to writing: takes the range. Nil if the file was completed meanwhile.
    private func takeOver(since losses: Int) throws(StoreError) -> (any File)? {
        var budget = WaitBudget()
        while true {
            // What was compared so far must still be there, else it and what is written now would mix.
            guard let view = try look(), view.published || view.losses == losses else { throw .busy }
            if view.published { return nil }
            if let file = try store.openData(of: upload), try claim(file) {
                guard let view = try look(), view.published || view.losses == losses else { throw .busy }
                return view.published ? nil : file
            }
            guard budget.wait() else { throw .busy }
        }
    }

    /// Takes the range out of what is held. Synced, with all that it stands on: after a power cut the journal must not
    /// vouch for bytes that were overwritten.
    private func replace(_ file: any File) throws(StoreError) {
        try upload.syncData(file)
        // As long as it may be the shorter of two possible chunks, what lies behind that is another chunk's.
        let shorter = received <= layout.lengths[0] ? ByteRange(from: layout.offset, length: layout.lengths[0]) : nil
        var held: [ByteRange] = []
        let done = try upload.change { [all = layout.range] journal throws(FileError) in
            try journal.append([.lost(shorter ?? all)])
            try journal.sync()
            held = journal.held.intersection(all)
        }
        guard done else { throw .busy }
        state = .writing(file, held: held)
    }

    /// Sees to it that what `replace` has taken out stays out, where whoever began that died before its sync.
    private func makeLossesCertain() throws(StoreError) {
        guard try upload.look({ $0.mayForgetLoss }) == true else { return }
        _ = try upload.change { journal throws(FileError) in try journal.sync() }
    }

    private func put(_ bytes: UnsafeRawBufferPointer, in file: any File, at position: UInt64) throws(StoreError) {
        try onDisk { () throws(FileError) in try file.write(bytes, at: position) }
    }

    /// Writes what is missing and compares what is held: until something differs, a larger chunk that is cut short
    /// costs nothing that was acknowledged.
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
        if scratch.isEmpty { scratch = [UInt8](repeating: 0, count: 64 << 10) }
        var done = 0
        while done < bytes.count {
            let piece = UnsafeRawBufferPointer(rebasing: bytes[done..<min(done + scratch.count, bytes.count)])
            var result = Result<Bool, FileError>.success(false)
            scratch.withUnsafeMutableBytes { buffer in
                let held = UnsafeMutableRawBufferPointer(rebasing: buffer[..<piece.count])
                result = Result { () throws(FileError) in
                    guard try file.read(into: held, at: position + UInt64(done)) == piece.count,
                        let expected = piece.baseAddress, let found = held.baseAddress
                    else { return false }
                    return memcmp(expected, found, piece.count) == 0
                }
            }
            guard try onDisk({ () throws(FileError) in try result.get() }) else { return false }
            done += piece.count
        }
        return true
    }
}
