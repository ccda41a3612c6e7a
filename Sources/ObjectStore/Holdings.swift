import UploadModel
import UploadStore

/// The ranges that a generation holds, decided by the names of its objects alone.
struct Holdings: Sendable {
    let grid: Grid
    /// The records that count, by cell, the oldest first.
    let records: [Int: [Record]]
    /// Ranges of the finished file before this upload that belong to it, in place of chunks that the client was told
    /// were held (`Claim.Predecessor`). Every record counts over them.
    let inherited: [ByteRange]
    /// Ranges of that file that may belong to it: those that no chunk has touched.
    let provisional: [ByteRange]
    /// The bytes that are held.
    let held: ByteRangeSet
    /// When a record was last added, in Unix seconds; nil if there is none.
    let added: UInt64?

    /// - Parameters:
    ///   - confirmed: the ranges of the predecessor that were sent again.
    ///   - before: those that end here or before are held, and the others provisional.
    ///   - settlesProvisional: true if the provisional ranges count.
    init(
        grid: Grid, _ generation: Generation, confirmed: [ByteRange] = [], before: UInt64 = 0,
        settlesProvisional: Bool = false
    ) {
        self.grid = grid
        records = Holdings.counting(generation.cells, grid)
        let chunks = records.values.joined().map(\.chunk)
        let fitting = confirmed.filter { $0.end <= grid.size }
        provisional = fitting.filter { range in
            range.end > before && !chunks.contains { $0.overlaps(range) }
        }
        inherited = fitting.filter { $0.end <= before } + (settlesProvisional ? provisional : [])
        var held = ByteRangeSet()
        for range in inherited + chunks { held.insert(range) }
        self.held = held
        added = records.values.joined().map(\.time).max()
    }

    /// The records that lie on the grid and whose chunk is whole.
    private static func counting(_ cells: [Int: CellRecords], _ grid: Grid) -> [Int: [Record]] {
        let ids = cells.mapValues { Set($0.records.map(\.id)) }
        return cells.compactMapValues { $0.records }.reduce(into: [:]) { result, cell in
            let counting = cell.value.filter { record in
                let cells = grid.cells(of: record.chunk)
                guard cells.contains(cell.key), let last = cells.last else { return false }
                return last == cell.key || ids[last]?.contains(record.id) == true
            }
            if !counting.isEmpty { result[cell.key] = counting.sorted { $1.isNewer(than: $0) } }
        }
    }

    /// True if every byte of the file is held.
    var isComplete: Bool { held.contains(ByteRange(first: grid.size)) }

    /// True if the provisional ranges are all that is missing.
    var isCompleteWithProvisional: Bool {
        var all = held
        for range in provisional { all.insert(range) }
        return all.contains(ByteRange(first: grid.size))
    }

    /// A sequence number that counts over everything that is held in these cells.
    func sequence(above cells: Range<Int>) -> UInt64 {
        1 + (cells.flatMap { records[$0] ?? [] }.map(\.sequence).max() ?? 0)
    }

    /// True if exactly this piece is held with these bytes, and nothing newer overlaps it.
    func holds(_ piece: ByteRange, in cell: Int, digest: String) -> Bool {
        let newest = records[cell]?.last { grid.piece(of: $0.chunk, in: cell).overlaps(piece) }
        return newest.map { grid.piece(of: $0.chunk, in: cell) == piece && $0.digest == digest } ?? false
    }

    /// The sources of a cell's bytes; nil if some are missing.
    func content(of cell: Int) -> CellContent? {
        let range = grid.range(cell)
        let segments = segments(of: cell)
        var position = range.start
        for segment in segments {
            guard segment.range.start == position else { return nil }
            position = segment.range.end
        }
        return position == range.end ? CellContent(range: range, segments: segments) : nil
    }

    /// The pieces that count in a cell, in the order of the file.
    func segments(of cell: Int) -> [Segment] {
        var segments: [Segment] = []
        var covered = ByteRangeSet()
        /// Adds what a source has, as far as no newer one has it.
        func add(_ range: ByteRange, _ source: Segment.Source) {
            var position = range.start
            for known in covered.intersection(range) + [ByteRange(from: range.end, length: 0)].compactMap({ $0 }) {
                if let gap = ByteRange(from: position, to: known.start), !gap.isEmpty {
                    segments.append(Segment(range: gap, source: source))
                }
                position = known.end
            }
            covered.insert(range)
        }
        for record in (records[cell] ?? []).reversed() { add(grid.piece(of: record.chunk, in: cell), .record(record)) }
        for old in inherited where old.overlaps(grid.range(cell)) { add(grid.piece(of: old, in: cell), .inherited) }
        return segments.sorted { $0.range.start < $1.range.start }
    }

    /// The record of the part whose bytes would be needed together with those of `piece`, if that were stored in an
    /// object: bytes of parts cannot be read.
    func partBehind(_ piece: ByteRange, in cell: Int) -> Record? {
        guard piece != grid.range(cell), records[cell]?.contains(where: { $0.part != nil }) == true else { return nil }
        for segment in segments(of: cell) {
            guard case .record(let record) = segment.source, record.part != nil else { continue }
            if segment.range.start < piece.start || segment.range.end > piece.end { return record }
        }
        return nil
    }
}

/// Where some bytes of a cell come from.
struct Segment: Sendable, Equatable {
    enum Source: Sendable, Equatable {
        case record(Record)
        /// The finished file of the generation before.
        case inherited

        fileprivate var name: String {
            switch self {
            case .record(let record): record.name
            case .inherited: "inherited"
            }
        }
    }

    let range: ByteRange
    let source: Source
}

/// The sources of all bytes of a cell.
struct CellContent: Sendable, Equatable {
    let range: ByteRange
    /// In order, without gaps.
    let segments: [Segment]

    /// The ETag of the part that has all of the bytes; nil if they have to be gathered.
    var part: String? {
        guard segments.count == 1, case .record(let record) = segments[0].source else { return nil }
        return record.part
    }

    /// True if bytes of a part are to be put together with others, which is impossible.
    var isMixed: Bool {
        segments.count > 1
            && segments.contains { if case .record(let record) = $0.source { record.part != nil } else { false } }
    }

    /// Names the bytes: two contents with the same sources have the same bytes.
    var inputs: String {
        let lines = segments.map { "\($0.range.start)-\($0.range.end) \($0.source.name)\n" }
        return sha256Hex(Array(lines.joined().utf8))
    }
}
