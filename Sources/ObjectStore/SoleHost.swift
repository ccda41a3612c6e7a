import Linux
import S3
import UploadModel
import UploadStore

// The short way of a chunk, on the host that has begun its upload: the chunk's bytes, and an entry in the ledger. It
// is for chunks whose bytes are not held. Everything else takes the long way, which closes the ledger before it changes
// something.

extension ObjectStore {
    /// How many records are kept in memory for all uploads whose ledgers this host writes.
    private static let keptRecords = 32_768
    /// The longest chunk whose digests fit into an entry, in bytes.
    private static let longestChunk: UInt64 = 256 << 20

    var moment: LedgerWriter.Moment { LedgerWriter.Moment(unix: now(), monotonic: MonotonicClock.seconds) }

    /// The ledger that this host writes for an upload.
    func writer(_ folder: String) -> LedgerWriter? { writers.withLock { $0[folder] } }

    func writer(_ folder: String, _ generation: Generation.Name) -> LedgerWriter? {
        writer(folder).flatMap { $0.generation == generation ? $0 : nil }
    }

    /// Begins a ledger.
    func keepWriter(
        _ claim: Claim, _ grid: Grid, _ folder: String, _ generation: Generation.Name, _ moment: LedgerWriter.Moment
    ) {
        writers.withLock { writers in
            // A ledger that is forgotten is closed by the next chunk.
            var records = writers.values.reduce(0) { $0 + $1.records }
            while writers.count >= settings.openUploads || records >= ObjectStore.keptRecords,
                let largest = writers.max(by: { $0.value.records < $1.value.records })
            {
                records -= largest.value.records
                writers[largest.key] = nil
            }
            writers[folder] = LedgerWriter(claim, grid, folder: folder, generation, known: moment)
        }
    }

    /// Forgets a ledger that a look has found closed.
    func forgetWriter(_ look: Look) {
        writers.withLock { writers in
            // A look that began before the upload did says nothing.
            guard let writer = writers[look.folder], let generation = look.generation,
                generation.name >= writer.generation
            else { return }
            let isOpen = !look.hasClosedLedger && writer.isOpen
            if case .live = look.phase, isOpen, generation.name == writer.generation { return }
            writer.stop()
            writers[look.folder] = nil
        }
    }

    /// Stores a chunk without a look at its upload.
    ///
    /// - Returns: nil if the upload has to be looked at.
    func takeAlone(_ chunk: WholeChunk) throws(StoreError) -> Receipt? {
        let folder = keys.upload(UploadKey(chunk.chunk.upload))
        guard let writer = writer(folder), isFor(chunk, writer) else { return nil }
        let (claim, grid) = (writer.claim, writer.grid)
        let cells = grid.cells(of: chunk.range)
        guard let look = writer.look(at: cells) else { return nil }
        let holdings = look.holdings(claim)
        guard
            cells.allSatisfy({ cell in
                let piece = grid.piece(of: chunk.range, in: cell)
                return holdings.records[cell]?.contains { $0.chunk.overlaps(piece) } != true
            })
        else { return nil }
        let pieces = cells.map { Piece(cell: $0, range: grid.piece(of: chunk.range, in: $0)) }
        // A record of an object counts at once, and an entry with the other pieces of its chunk comes after it.
        guard pieces.count == 1 || pieces.allSatisfy({ $0.range == grid.range($0.cell) }) else { return nil }
        if grid.count > 1 { try prepareTarget(writer, look, pieces) }
        guard let addition = try add(pieces, of: chunk, holdings, writer) else {
            writer.stop()
            return nil
        }
        if grid.count > 1 {
            let holdings = addition.look.holdings(claim)
            for cell in cells { _ = try gatherIfComplete(cell, addition.look, claim, holdings) }
        }
        if addition.isComplete {
            if let path = try finishAlone(writer) { return Receipt(.completed(path: path)) }
            if let path = try finish(writer.id) { return Receipt(.completed(path: path)) }
            guard try isKept(addition.look) else { return nil }
        }
        return Receipt(.stored)
    }

    /// Publishes an upload by what this host knows of it.
    ///
    /// The `end` comes before the entry that closes the ledger. If that can be created, no other host has closed the
    /// ledger before the `end` was there, so none has added a record without finding the `end` afterwards. So nothing
    /// has to be listed to know all that is held.
    ///
    /// - Returns: the path of the file; nil if the upload has to be looked at.
    private func finishAlone(_ writer: LedgerWriter) throws(StoreError) -> String? {
        try gate.pass(writer.folder) { _ throws(StoreError) in
            let ledger = keys.ledger(writer.folder, writer.generation)
            // Usually it was chosen with the first part. If the name is taken, nothing has ended yet.
            if let look = writer.look(at: 0..<0) { _ = try target(look, writer.claim) }
            // No thread is adding an entry then.
            guard let look = try gate.pass(ledger, { _ throws(StoreError) in writer.finish(keys) }),
                let generation = look.generation
            else { return nil }
            let ending = Ending.finishing(settles: false)
            guard try create(look.folder, generation.name, .end, { ending.write(to: &$0) }) else { return nil }
            let closing = keys.entry(look.folder, generation.name, generation.ledger.last + 1)
            let creation = try onEngine { () throws(S3Error) in try bucket.create(closing, Ledger.ownClosingBody) }
            guard creation == .created, writer.age(at: moment) < ObjectStore.leftoverSeconds / 2 else { return nil }
            forget(writer)
            return try publish(look, generation, writer.claim, settles: false)
        }
    }

    private func forget(_ writer: LedgerWriter) {
        writers.withLock { writers in if writers[writer.folder] === writer { writers[writer.folder] = nil } }
        known.withLock { $0[writer.folder] = nil }
    }

    /// Puts the pieces of a chunk, and adds them to the ledger.
    ///
    /// - Returns: nil if the upload has to be looked at.
    private func add(
        _ pieces: [Piece], of chunk: WholeChunk, _ holdings: Holdings, _ writer: LedgerWriter
    ) throws(StoreError) -> LedgerWriter.Addition? {
        do throws(StoreError) {
            guard let look = writer.look(at: holdings.grid.cells(of: chunk.range)),
                let put = try put(pieces, of: chunk, look, writer.claim, holdings, isAlone: true)
            else { return nil }
            return try append(put, writer)
        } catch {
            // The engine may have the objects or get them later: not all is known here any more.
            writer.stop()
            throw error
        }
    }

    /// True if a chunk is one of the upload's file.
    private func isFor(_ chunk: WholeChunk, _ writer: LedgerWriter) -> Bool {
        let modified = (chunk.chunk.lastModified, writer.claim.lastModified)
        return chunk.total == writer.claim.size && !chunk.range.isEmpty && chunk.range.end <= writer.grid.size
            && chunk.range.length <= ObjectStore.longestChunk && writer.records < Grid.mostChunks
            && (modified.0 == nil || modified.1 == nil || modified.0 == modified.1)
    }

    /// Begins the multipart upload in front of the first part.
    private func prepareTarget(_ writer: LedgerWriter, _ look: Look, _ pieces: [Piece]) throws(StoreError) {
        guard look.generation?.marks[.target] == nil,
            pieces.contains(where: { $0.range == writer.grid.range($0.cell) })
        else { return }
        _ = try gate.pass(writer.folder) { _ throws(StoreError) in
            if let look = writer.look(at: 0..<0) { _ = try target(look, writer.claim) }
        }
    }

    /// Adds an entry to the ledger for the pieces of a chunk.
    ///
    /// - Returns: nil if the ledger is closed.
    private func append(
        _ pieces: [PutPiece], _ writer: LedgerWriter
    ) throws(StoreError) -> LedgerWriter.Addition? {
        let parts = pieces.filter { $0.record.part != nil }
        let objects = pieces.filter { $0.record.part == nil }.map { (cell: $0.cell, record: $0.record) }
        return try gate.pass(keys.ledger(writer.folder, writer.generation)) { _ throws(StoreError) in
            guard writer.isOpen else { return nil }
            let moment = moment
            let (number, lines) = writer.next(parts.map { ($0.cell, $0.record) })
            let blocks = parts.count == 1 ? parts[0].blocks.bytes : parts.flatMap(\.blocks.bytes)
            let entry = LedgerEntry(lines: lines, blocks: blocks)
            let key = keys.entry(writer.folder, writer.generation, number)
            let creation = try onEngine { () throws(S3Error) in
                try bucket.create(key, entry.body(nonce: random()))
            }
            // A closed ledger is kept for longer, so this entry was not created in place of one that was deleted.
            guard creation == .created, writer.age(at: self.moment) < ObjectStore.leftoverSeconds / 2 else {
                return nil
            }
            return writer.add(number, lines, objects: objects, at: moment)
        }
    }
}
