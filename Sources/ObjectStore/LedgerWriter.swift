import Linux
import S3
import UploadModel
import UploadStore

/// A live upload that this host has begun, as long as no other host has added to it: then all of it is known here.
final class LedgerWriter: Sendable {
    let id: UploadID
    let folder: String
    let claim: Claim
    let grid: Grid
    let generation: Generation.Name

    private struct State {
        /// With all records, as a look would find them.
        var generation: Generation
        /// The bytes that are held.
        var held = ByteRangeSet()
        var records = 0
        /// False once another host has closed the ledger, or if it is unknown what the engine has.
        var isOpen = true
        /// When the ledger was known to be open.
        var known: Moment
    }

    /// By two clocks: one may be set, and the other may stand still while a virtual machine does.
    struct Moment: Sendable {
        let unix: UInt64
        let monotonic: UInt64

        func seconds(since other: Moment) -> UInt64 {
            max(
                unix - min(unix, other.unix), other.unix - min(unix, other.unix),
                monotonic - min(monotonic, other.monotonic))
        }
    }

    private let state: Lock<State>

    init(_ claim: Claim, _ grid: Grid, folder: String, _ generation: Generation.Name, known: Moment) {
        id = claim.id
        self.folder = folder
        self.claim = claim
        self.grid = grid
        self.generation = generation
        state = Lock(State(generation: Generation(name: generation), known: known))
    }

    var isOpen: Bool { state.withLock { $0.isOpen } }

    /// How many records it keeps in memory.
    var records: Int { state.withLock { $0.records } }

    func stop() { state.withLock { $0.isOpen = false } }

    /// The lines of all entries up to a number; nil if this host does not know them all.
    func lines(upTo last: Int) -> [Ledger.Line]? {
        state.withLock { state in
            guard state.generation.ledger.last >= last else { return nil }
            return state.generation.ledger.lines.filter { $0.entry <= last }
        }
    }

    /// The upload as a look would find it, as far as some cells and those that share chunks with them are concerned;
    /// nil once the ledger is closed.
    func look(at cells: Range<Int>) -> Look? {
        state.withLock { $0.isOpen ? look($0, at: Set(cells)) : nil }
    }

    private func look(_ state: State, at cells: Set<Int>) -> Look {
        var needed = cells
        for cell in cells {
            for record in state.generation.cells[cell]?.records ?? [] { needed.formUnion(grid.cells(of: record.chunk)) }
        }
        var part = Generation(name: generation)
        part.marks = state.generation.marks
        part.ledger.entries = state.generation.ledger.entries
        for cell in needed { part.cells[cell] = state.generation.cells[cell] }
        return Look(
            id: id, folder: folder, listing: Listing([], folder: folder), generation: part, phase: .live(claim))
    }

    /// Adds nothing more from now on.
    ///
    /// - Returns: the upload as a look would find it once it has an `end`, with all of its objects but the marks; nil if
    ///   the ledger is closed, or the upload not complete.
    func finish(_ keys: Keys) -> Look? {
        state.withLock { state in
            guard state.isOpen, state.held.contains(ByteRange(first: grid.size)) else { return nil }
            state.isOpen = false
            var names = (1...max(1, state.generation.ledger.last)).map { keys.entry(folder, generation, $0) }
            for (cell, records) in state.generation.cells {
                let objects = records.records.filter { $0.part == nil }.map(\.name) + records.folds.map(\.name)
                names += objects.map { keys.inCell(folder, generation, cell, $0) }
            }
            let size = UInt64(Ledger.closingBody.count) + 1
            let listing = Listing(
                names.map { ListedObject(key: $0, size: size, etag: "", modified: nil) }, folder: folder)
            return Look(
                id: id, folder: folder, listing: listing, generation: state.generation,
                phase: .finishing(claim, settles: false))
        }
    }

    /// The upload after an entry was added.
    struct Addition {
        /// At its cells.
        let look: Look
        /// True if every byte of the file is held.
        let isComplete: Bool
    }

    /// Remembers that the name is chosen and the multipart upload begun.
    func noteTarget() { state.withLock { $0.generation.marks[.target] = DocumentCache.anyETag } }

    /// The number of the next entry and its lines.
    func next(_ lines: [(cell: Int, record: Record)]) -> (number: Int, lines: [Ledger.Line]) {
        state.withLock { state in
            let number = state.generation.ledger.last + 1
            let first = Ledger.firstEntry(in: number)
            let repeated = state.generation.ledger.lines.reversed().prefix { $0.entry >= first }.reversed()
            return (
                number,
                repeated + lines.map { Ledger.Line(entry: number, cell: $0.cell, record: $0.record) }
            )
        }
    }

    /// Adds an entry that the engine has, and the records that came with it.
    ///
    /// - Returns: what is known with that and without later entries.
    func add(
        _ number: Int, _ lines: [Ledger.Line], objects: [(cell: Int, record: Record)], at moment: Moment
    ) -> Addition {
        state.withLock { state in
            // The last entry is enough to know the next number, because this host has all lines.
            state.generation.ledger.entries = [number: ""]
            let own = lines.filter { $0.entry == number }
            state.generation.add(own)
            for (cell, record) in objects {
                state.generation.cells[cell, default: CellRecords()].records.append(record)
            }
            for record in own.map(\.record) + objects.map(\.record) { state.held.insert(record.chunk) }
            state.records += own.count + objects.count
            state.known = moment
            let cells = Set((own.map(\.cell) + objects.map(\.cell)))
            return Addition(
                look: look(state, at: cells), isComplete: state.held.contains(ByteRange(first: grid.size)))
        }
    }

    /// Remembers that a cell was gathered.
    func add(_ fold: Fold, in cell: Int) {
        state.withLock { $0.generation.cells[cell, default: CellRecords()].folds.append(fold) }
    }

    /// How long ago the ledger was known to be open, in seconds.
    func age(at moment: Moment) -> UInt64 { state.withLock { moment.seconds(since: $0.known) } }
}
