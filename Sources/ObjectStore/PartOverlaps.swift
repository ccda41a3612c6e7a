import Linux
import S3
import UploadModel
import UploadStore

// Chunks that lie across a part. A client that comes back with another chunk size sends some: it skips what is held,
// and the chunk at the edge reaches into a cell that is held as a part. Nearly always these bytes are the same, and
// there is nothing to store. That is found out by the digests of the part's blocks. If they differ, the file was
// changed: the upload makes way for it, as for any other version of the file, because the part's other bytes cannot be
// read and put together with the new ones.
//
// Bytes at the ends of the chunk that are not a whole block, fewer than 4,096 at each end, cannot be compared. Chunks
// whose size is a multiple of 4 KiB have none.

/// The piece of a chunk in a cell.
struct Piece: Sendable, Equatable {
    let cell: Int
    let range: ByteRange
}

extension ObjectStore {
    /// The pieces of a chunk that have to be stored: all but those that are known to be held as a part.
    ///
    /// - Returns: nil if the part in a cell has other bytes, so that the chunk cannot be stored.
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
            let key = keys.inCell(look.folder, generation, cell, part.name)
            let known = BlockDigests(bytes: try onEngine { () throws(S3Error) in try bucket.get(key) })
            guard try isSame(range, of: chunk, as: known, in: holdings.grid.range(cell)) else { return nil }
        }
        return pieces
    }

    /// Compares the whole blocks of a piece with those of a cell.
    private func isSame(
        _ piece: ByteRange, of chunk: WholeChunk, as known: BlockDigests, in cell: ByteRange
    ) throws(StoreError) -> Bool {
        let block = BlockDigests.block
        let first = (piece.start - cell.start + block - 1) / block
        // The last block of the cell may be short.
        let last = piece.end == cell.end ? (cell.length + block - 1) / block : (piece.end - cell.start) / block
        guard first < last,
            let blocks = ByteRange(
                from: cell.start + first * block, to: min(cell.end, cell.start + last * block))
        else { return true }
        let new = try chunk.scratch.blocks(chunk.place(of: blocks))
        for index in first..<last where new[Int(index - first)] != known[Int(index)] { return false }
        return true
    }
}
