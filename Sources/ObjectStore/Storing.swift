import Linux
import S3
import UploadModel
import UploadStore

// Stores a chunk that has arrived, by the phase that its upload is in.

/// A piece of a chunk that the engine has.
struct PutPiece {
    let cell: Int
    let record: Record
    let blocks: BlockDigests
}

extension ObjectStore {
    /// Stores a chunk, or does what has to be done first.
    ///
    /// - Returns: nil if the upload has to be looked at again.
    func take(_ chunk: WholeChunk) throws(StoreError) -> Receipt? {
        if let receipt = try takeAlone(chunk) { return receipt }
        let look = try look(chunk.chunk.upload)
        switch look.phase {
        case .none: return try takeFirst(chunk, look)
        case .live(let claim):
            guard try matches(claim, look, chunk.chunk) else {
                try supersede(look, claim)
                return nil
            }
            return try add(chunk, look, claim)
        case .finishing:
            if let path = try finish(look.id) { chunk.published = path }
            return nil
        case .whole(let claim, let target):
            if chunk.isFile && claim.size == chunk.total { return try putWhole(chunk, look, claim, target) }
            guard try resolveWhole(look, claim, target) else { throw .busy }
            return nil
        case .finished(let outcome, let path):
            guard outcome.claim.size == chunk.total else { return try takeFirst(chunk, look) }
            return try compare(chunk, look, outcome, path)
        }
    }

    /// Begins an upload with a chunk.
    func takeFirst(_ chunk: WholeChunk, _ look: Look) throws(StoreError) -> Receipt? {
        if chunk.isFile { return try putWhole(chunk, look) }
        try begin(look, chunk.chunk)
        return nil
    }

    /// Adds a chunk to an upload that is not complete.
    ///
    /// - Returns: nil if the upload has ended meanwhile.
    private func add(_ chunk: WholeChunk, _ look: Look, _ claim: Claim) throws(StoreError) -> Receipt? {
        let holdings = look.holdings(claim)
        let grid = holdings.grid
        guard let generation = look.generation, chunk.range.end <= grid.size else { throw .busy }
        let cells = grid.cells(of: chunk.range)
        var isHeld = true
        for cell in cells where isHeld {
            let piece = grid.piece(of: chunk.range, in: cell)
            isHeld = holdings.holds(piece, in: cell, digest: try chunk.blocks(of: piece).digest)
        }
        if isHeld {
            try touch(look, claim, holdings)
            return try receipt(chunk, look, claim, isNew: false)
        }
        // A client that comes back with another chunk size, or sends other bytes, adds records to those that are there.
        guard UInt64(holdings.records.values.reduce(0) { $0 + $1.count }) < 2 * Grid.mostChunks else {
            throw .tooManyRecords
        }
        guard let pieces = try pieces(chunk, look, holdings) else {
            // The file was changed, and the old bytes cannot be put together with the new ones.
            guard isQuiet(look, claim) else { throw .busy }
            try supersede(look, claim)
            return nil
        }
        guard look.hasClosedLedger else {
            if !chunk.hasLookedForWriter {
                // Another thread of this host may be about to begin the ledger.
                chunk.hasLookedForWriter = true
                try gate.pass(look.folder) { _ throws(StoreError) in }
                if writer(look.folder, generation.name)?.isOpen == true { return nil }
            }
            try closeLedger(look)
            return nil
        }
        guard try put(pieces, of: chunk, look, claim, holdings) != nil else { return nil }
        let after = try self.look(look.id)
        guard after.generation?.name == generation.name, case .live(let claim) = after.phase else { return nil }
        if after.isFading(at: now()) { throw .busy }
        return try receipt(chunk, after, claim, isNew: true)
    }

    /// Puts pieces of a chunk, in the order of their cells, and their records.
    ///
    /// - Parameter isAlone: true if the caller adds the records of parts to the ledger.
    /// - Returns: what was put; nil if the multipart upload has ended.
    func put(
        _ pieces: [Piece], of chunk: WholeChunk, _ look: Look, _ claim: Claim, _ holdings: Holdings,
        isAlone: Bool = false
    ) throws(StoreError) -> [PutPiece]? {
        guard let generation = look.generation?.name else { return nil }
        guard let first = pieces.first, let last = pieces.last,
            let range = ByteRange(from: first.range.start, to: last.range.end)
        else { return [] }
        var put: [PutPiece] = []
        let sequence = holdings.sequence(above: first.cell..<last.cell + 1)
        let (id, time) = (random().hexDigits, now())
        // The record in the last cell makes all of them count.
        for piece in pieces {
            let blocks = try chunk.blocks(of: piece.range)
            func record(part: String?, _ body: any Payload) throws(StoreError) {
                let record = Record(
                    sequence: sequence, id: id, time: time, chunk: range, digest: blocks.digest, part: part)
                put.append(PutPiece(cell: piece.cell, record: record, blocks: blocks))
                if part != nil && isAlone { return }
                let key = keys.inCell(look.folder, generation, piece.cell, record.name)
                try onEngine { () throws(S3Error) in
                    try bucket.put(key, body, metadata: [:], ifAbsent: false)
                }
            }
            let body = chunk.scratch.payload(chunk.place(of: piece.range))
            guard holdings.grid.count > 1 && piece.range == holdings.grid.range(piece.cell) else {
                try record(part: nil, body)
                continue
            }
            guard let etag = try putPart(piece.cell, body, look, claim) else {
                chunk.missingMultiparts += 1
                // A request that ends the upload also ends its multipart upload, and the next look shows that.
                if chunk.missingMultiparts < 3 { return nil }
                try giveUp(look, claim, "the engine has lost the multipart upload")
                return nil
            }
            try record(part: etag, blocks.bytes)
        }
        return put
    }

    /// Puts a part.
    ///
    /// - Returns: its ETag; nil if the multipart upload has ended.
    func putPart(
        _ cell: Int, _ body: any Payload, _ look: Look, _ claim: Claim
    ) throws(StoreError) -> String? {
        let target = try target(look, claim)
        guard let multipart = target.multipart else { throw .failed(StoreCause("there is no multipart upload")) }
        return try onEngine { () throws(S3Error) in
            do throws(S3Error) {
                return try bucket.putPart(keys.file(target.path), upload: multipart, number: cell + 1, body)
            } catch {
                guard case .noSuchUpload = error else { throw error }
                return nil
            }
        }
    }

    /// Ends a request whose chunk is held: gathers the cells that it has completed, and publishes the file if that is
    /// complete.
    ///
    /// - Returns: nil if the upload has ended without a file meanwhile.
    private func receipt(
        _ chunk: WholeChunk, _ look: Look, _ claim: Claim, isNew: Bool
    ) throws(StoreError) -> Receipt? {
        let holdings = look.holdings(claim)
        if holdings.grid.count > 1 {
            for cell in holdings.grid.cells(of: chunk.range) { _ = try gatherIfComplete(cell, look, claim, holdings) }
        }
        if holdings.isComplete {
            if let path = try finish(look.id, look) { return Receipt(.completed(path: path)) }
            guard try isKept(look) else { return nil }
        } else if !holdings.provisional.isEmpty {
            waiting.withLock { $0[look.id] = (holdings.added ?? claim.begun) + ObjectStore.quietSeconds }
        }
        if let path = chunk.published { return Receipt(.completed(path: path)) }
        return Receipt(isNew ? .stored : .duplicate)
    }

    /// True if an upload that was found complete is published, or will be; false if another request has found that it
    /// cannot be, and ended it. Then its chunks are held no longer.
    func isKept(_ look: Look) throws(StoreError) -> Bool {
        let after = try self.look(look.id)
        guard after.generation?.name == look.generation?.name else { return false }
        if case .none = after.phase { return false }
        return true
    }

    // MARK: Gathering

    /// Makes a part of a cell that is held in pieces, if all of it is held and that was not done.
    ///
    /// - Parameter engine: the parts that the engine has; nil to take the records' word for it.
    /// - Returns: the part's ETag; nil if the cell is not complete, or the upload has ended.
    func gatherIfComplete(
        _ cell: Int, _ look: Look, _ claim: Claim, _ holdings: Holdings, engine: EngineParts? = nil
    ) throws(StoreError) -> String? {
        guard let generation = look.generation, let content = holdings.content(of: cell) else { return nil }
        if let part = content.part {
            guard let engine, !engine.has(part, cell) else { return part }
            if let other = engine.replacement(of: part, cell, holdings) { return other }
            try giveUp(look, claim, "a part was replaced by another one")
            return nil
        }
        // Parts and objects that hosts have put at the same time: neither can be answered for.
        if content.isMixed { throw .failed(StoreCause("a part and an object share cell \(cell) of \(look.folder)")) }
        let inputs = content.inputs
        let fold = generation.cells[cell]?.folds.first { $0.inputs == inputs }
        if let fold, engine?.has(fold.etag, cell) ?? true { return fold.etag }
        guard let scratch = try gather(content, cell, look, claim, holdings) else { return nil }
        guard let etag = try putPart(cell, scratch.payload, look, claim) else { return nil }
        let new = Fold(inputs: inputs, etag: etag)
        try onEngine { () throws(S3Error) in
            try bucket.put(
                keys.inCell(look.folder, generation.name, cell, new.name), [UInt8](), metadata: [:], ifAbsent: false)
        }
        writer(look.folder, generation.name)?.add(new, in: cell)
        return etag
    }

    /// Reads the bytes of a cell that is held in pieces.
    ///
    /// - Returns: nil if another request has ended the upload.
    func gather(
        _ content: CellContent, _ cell: Int, _ look: Look, _ claim: Claim, _ holdings: Holdings
    ) throws(StoreError) -> Scratch? {
        guard let generation = look.generation else { return nil }
        let scratch = try Scratch(in: self.scratch, checksum: bucket.checksum)
        for segment in content.segments {
            let place = segment.range.start - content.range.start
            let isThere =
                switch segment.source {
                case .record(let record):
                    try read(
                        keys.inCell(look.folder, generation.name, cell, record.name),
                        segment.range, from: holdings.grid.piece(of: record.chunk, in: cell).start, to: scratch, place)
                case .inherited: try readInherited(segment.range, look, claim, to: scratch, place)
                }
            guard isThere else {
                try giveUp(look, claim, "bytes that were held are gone")
                return nil
            }
        }
        return scratch
    }

    /// Reads a range of a finished file that belongs to this upload.
    ///
    /// - Returns: false if the file is gone.
    private func readInherited(
        _ range: ByteRange, _ look: Look, _ claim: Claim, to scratch: Scratch, _ place: UInt64
    ) throws(StoreError) -> Bool {
        guard let old = claim.predecessor,
            try isPublished(old.path, size: claim.size, look.seal(old.putBy))
        else { return false }
        return try read(keys.file(old.path), range, from: 0, to: scratch, place)
    }

    /// Copies a range of the file from an object whose first byte is the file's byte at `start`.
    ///
    /// - Returns: false if the object is gone.
    private func read(
        _ key: String, _ range: ByteRange, from start: UInt64, to scratch: Scratch, _ place: UInt64
    ) throws(StoreError) -> Bool {
        var failure: StoreError?
        do throws(S3Error) {
            try bucket.get(key, range: range.start - start..<range.end - start) { offset, bytes in
                do throws(StoreError) { try scratch.write(bytes, at: place + offset) } catch { failure = error }
                return failure == nil
            }
            return true
        } catch {
            if let failure { throw failure }
            guard case .noSuchKey = error else { throw .failed(StoreCause(error)) }
            return false
        }
    }
}
