import Linux
import S3
import UploadModel
import UploadStore

// Chunks of a finished upload. They are compared with the finished file. The same bytes are a late duplicate, and an
// object records that the range was confirmed. Other bytes show that a client is sending another file: a new generation
// begins, in which the confirmed ranges count, because the client was told that they are held (`Claim.Predecessor`).
//
// Both sides write before they read. A request that confirms a range looks at the upload again, and answers as a
// duplicate only if there is no new generation. A new generation takes the confirmed ranges that it finds after its
// claim. So no range that was answered as a duplicate is missing in it.

extension ObjectStore {
    /// Compares a chunk with the file of a finished upload.
    ///
    /// - Returns: nil if the upload has to be looked at again.
    func compare(
        _ chunk: WholeChunk, _ look: Look, _ outcome: Outcome, _ path: String
    ) throws(StoreError) -> Receipt? {
        guard let generation = look.generation else { return nil }
        guard try stands(path, outcome, look) else {
            guard !generation.confirmed.isEmpty else { return try takeFirst(chunk, look) }
            // A client was told that these bytes are held, and they are gone: that must not be kept from it.
            let next = Generation.Name.next(after: look.listing.newest?.name, now: now())
            guard try create(look.folder, next, .end, { Ending.removed(.lost).write(to: &$0) }) else { return nil }
            throw .untrusted(StoreCause("\(path) is gone, and a client was told that some of it is held"))
        }
        guard try hasBytes(of: chunk, path) else {
            if chunk.isFile { return try putWhole(chunk, look) }
            try begin(
                look, chunk.chunk,
                after: Claim.Predecessor(
                    generation: generation.name, path: path, putBy: outcome.putBy ?? generation.name,
                    before: chunk.range.start))
            return nil
        }
        let receipt = Receipt(chunk.published.map { .completed(path: $0) } ?? .duplicate)
        // A file of one chunk has no others.
        if chunk.isFile || generation.confirmed.contains(chunk.range) { return receipt }
        try onEngine { () throws(S3Error) in
            try bucket.put(
                keys.confirmed(look.folder, generation.name, chunk.range), [UInt8](), metadata: [:], ifAbsent: false)
        }
        let after = try self.look(look.id)
        guard after.generation?.name == generation.name, case .finished = after.phase else { return nil }
        return receipt
    }

    /// True if a finished file has the bytes of a chunk.
    private func hasBytes(of chunk: WholeChunk, _ path: String) throws(StoreError) -> Bool {
        guard !chunk.range.isEmpty else { return true }
        var isSame = true
        var scratch: [UInt8] = []
        var failure: StoreError?
        do throws(S3Error) {
            try bucket.get(keys.file(path), range: chunk.range.start..<chunk.range.end) { offset, bytes in
                if scratch.count < bytes.count { scratch = [UInt8](repeating: 0, count: bytes.count) }
                do throws(StoreError) {
                    let isEqual = try scratch.withMutableBytes { buffer throws(StoreError) in
                        let own = UnsafeMutableRawBufferPointer(rebasing: buffer[..<bytes.count])
                        return try chunk.scratch.read(into: own, at: offset) == bytes.count
                            && UnsafeRawBufferPointer(own).elementsEqual(bytes)
                    }
                    isSame = isSame && isEqual
                } catch { failure = error }
                return failure == nil
            }
        } catch {
            if let failure { throw failure }
            // The file was removed since it was looked at.
            if case .noSuchKey = error { throw .busy }
            throw .failed(StoreCause(error))
        }
        return isSame
    }
}
