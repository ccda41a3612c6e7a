import Linux
import S3
import UploadModel
import UploadStore

// A new upload that begins in the place of a finished one (`Claim.Predecessor`) may turn out to be the same file: one of
// its chunks was damaged on its way, and was then sent again as it should be. So a finished upload leaves the digests of
// its pieces. If those of the new upload are the same, and the finished file stands in its place, there is no second
// file. No file is read for that. A file that was cut in another way is not known again.

/// The digests of the pieces of a finished file.
struct FileDigests: Sendable, Equatable {
    /// By the range of the piece.
    private(set) var digests: [ByteRange: String] = [:]

    init() {}

    /// - Parameter holdings: of the whole file.
    init(_ holdings: Holdings) {
        for cell in 0..<holdings.grid.count {
            for segment in holdings.segments(of: cell) {
                guard case .record(let record) = segment.source,
                    holdings.grid.piece(of: record.chunk, in: cell) == segment.range
                else { continue }
                digests[segment.range] = record.digest
            }
        }
    }

    init(_ fields: Fields) {
        for pair in fields.pairs where pair.name == "piece" {
            let words = pair.value.split(separator: " ")
            guard words.count == 3, let start = UInt64(words[0]), let end = UInt64(words[1]),
                let range = ByteRange(from: start, to: end)
            else { continue }
            digests[range] = String(words[2])
        }
    }

    func write(to fields: inout Fields) {
        for (range, digest) in digests.sorted(by: { $0.key.start < $1.key.start }) {
            fields["piece"] = "\(range.start) \(range.end) \(digest)"
        }
    }

    /// True if all bytes are known to be those of the file that these digests are of.
    func match(_ holdings: Holdings) -> Bool {
        (0..<holdings.grid.count).allSatisfy { cell in
            holdings.segments(of: cell).allSatisfy { segment in
                switch segment.source {
                case .inherited: true
                case .record(let record):
                    holdings.grid.piece(of: record.chunk, in: cell) == segment.range
                        && digests[segment.range] == record.digest
                }
            }
        }
    }
}

extension ObjectStore {
    /// Keeps the digests of a file that is published. Without them, the same file becomes a second one.
    func record(_ digests: FileDigests, _ look: Look) throws(StoreError) {
        guard let generation = look.generation?.name else { return }
        var fields = Fields()
        digests.write(to: &fields)
        try onEngine { () throws(S3Error) in
            try bucket.put(
                keys.mark(look.folder, generation, .digests), fields.body, metadata: [:], ifAbsent: false)
        }
    }

    /// Ends a complete upload that has turned out to be the file that was finished before.
    ///
    /// - Returns: the path of that file, if this call has ended the upload; nil if it is another file, or if another
    ///   request has ended it.
    func publishAsEarlier(
        _ look: Look, _ generation: Generation.Name, _ claim: Claim, _ holdings: Holdings
    ) throws(StoreError) -> (isEarlier: Bool, path: String?) {
        guard let old = claim.predecessor else { return (false, nil) }
        let digests = try document(keys.mark(look.folder, old.generation, .digests)).flatMap { Fields($0) }
            .map { FileDigests($0) }
        guard try isEarlier(look, generation, claim, old, digests, holdings) else { return (false, nil) }
        if let digests { try record(digests, look) }
        return (true, try conclude(look, generation, claim, old.path, putBy: old.putBy))
    }

    /// Decides once whether the file is the one that was finished before: another host may find another record, or that
    /// file moved away.
    private func isEarlier(
        _ look: Look, _ generation: Generation.Name, _ claim: Claim, _ old: Claim.Predecessor,
        _ digests: FileDigests?, _ holdings: Holdings
    ) throws(StoreError) -> Bool {
        var isSame = digests?.match(holdings) == true
        if isSame { isSame = try isPublished(old.path, size: claim.size, look.seal(old.putBy)) }
        var fields = Fields()
        fields["earlier"] = isSame ? "yes" : "no"
        fields["nonce"] = random().hexDigits
        let key = keys.mark(look.folder, generation, .choice)
        switch try onEngine({ () throws(S3Error) in try bucket.create(key, fields.body) }) {
        case .created: return isSame
        case .exists(let body):
            guard let other = body.flatMap({ Fields($0) }) else { throw .busy }
            return other["earlier"] == "yes"
        }
    }
}
