import Linux
import S3
import UploadModel
import UploadStore

// Chunks that lie across a part. A client that comes back with another chunk size sends some: it skips what is held,
// and the chunk at the edge reaches into a cell that is held as a part. Nearly always these bytes are the same, and
// there is nothing to store. That is found out by the digests of the part's blocks. If they differ, the file was
// changed: the upload makes way for it, as for any other version of the file, because the part's other bytes cannot be
// read and put together with the new ones. So it does if the chunk begins or ends inside a block, which cannot be
// compared: no chunk is answered with 200 whose bytes may be others.

/// The piece of a chunk in a cell.
struct Piece: Sendable, Equatable {
    let cell: Int
    let range: ByteRange
}

extension ObjectStore {
    /// The pieces of a chunk that have to be stored: all but those that are known to be held as a part.
    ///
    /// - Returns: nil if the part in a cell has other bytes, or may have, so that the chunk cannot be stored.
    func pieces(_ chunk: WholeChunk, _ look: Look, _ holdings: Holdings) throws(StoreError) -> [Piece]? {
        var pieces: [Piece] = []
        for cell in holdings.grid.cells(of: chunk.range) {
            let range = holdings.grid.piece(of: chunk.range, in: cell)
            guard let part = holdings.partBehind(range, in: cell) else {
                pieces.append(Piece(cell: cell, range: range))
                continue
            }
            // An object counts over a part of the cell: then only bytes of this chunk's range would do.
            guard holdings.content(of: cell)?.part != nil, let generation = look.generation?.name else { return nil }
            guard let known = try blocks(of: part, in: cell, look, generation, holdings.grid) else { throw .busy }
            guard try isSame(range, of: chunk, as: known, in: holdings.grid.range(cell)) else { return nil }
        }
        return pieces
    }

    /// The block digests of a part; nil if the upload has ended meanwhile.
    private func blocks(
        of part: Record, in cell: Int, _ look: Look, _ generation: Generation.Name, _ grid: Grid
    ) throws(StoreError) -> BlockDigests? {
        let line = look.generation?.ledger.lines.first { $0.cell == cell && $0.record == part }
        guard let number = line?.entry else {
            return try document(keys.inCell(look.folder, generation, cell, part.name)).map { BlockDigests(bytes: $0) }
        }
        let entry = try document(keys.entry(look.folder, generation, number)).flatMap { LedgerEntry($0) }
        return entry?.blocks(of: part, in: cell, number, grid)
    }

    /// Compares the blocks of a piece with those of a cell.
    ///
    /// - Returns: false also if a block cannot be compared, because only a part of it is in the piece.
    private func isSame(
        _ piece: ByteRange, of chunk: WholeChunk, as known: BlockDigests, in cell: ByteRange
    ) throws(StoreError) -> Bool {
        let block = BlockDigests.block
        let (first, start) = (piece.start - cell.start).quotientAndRemainder(dividingBy: block)
        let (whole, end) = (piece.end - cell.start).quotientAndRemainder(dividingBy: block)
        // The last block of the cell may be short.
        guard start == 0, end == 0 || piece.end == cell.end else { return false }
        let last = end == 0 ? whole : whole + 1
        let new = try chunk.scratch.blocks(chunk.place(of: piece))
        for index in first..<last where new[Int(index - first)] != known[Int(index)] { return false }
        return true
    }
}
