import S3
import UploadModel
import UploadStore

/// The parts of a multipart upload as the engine lists them, for a completion that it has refused because a part was
/// replaced. S3 knows the newest version of a part only, and hosts put versions at the same time:
///
///   - Of two clients with different bytes for a cell, the engine may have kept those of the record that counts less.
///     Both were sent at the same time, so either may stand.
///   - A host may have died between putting a part and its record. The part has all bytes of a chunk that was sent
///     later, so it may stand, too.
///   - Of a chunk in several cells, the engine may have some cells and not the others. Neither chunk is whole then, so
///     none stands.
///   - A host may have gathered a cell and been late. Such a part may be of older bytes, so it must not stand. If the
///     cell was never complete without a part, no host has gathered it.
struct EngineParts: Sendable {
    /// The versions, by cell.
    private var versions: [Int: [ListedPart]] = [:]

    init(_ parts: [ListedPart]) {
        for part in parts { versions[part.number - 1, default: []].append(part) }
    }

    func has(_ etag: String, _ cell: Int) -> Bool { versions[cell]?.contains { $0.etag == etag } ?? false }

    /// A version that may stand in the place of a part that the engine does not have any more; nil if there is none.
    func replacement(of part: String, _ cell: Int, _ holdings: Holdings) -> String? {
        let range = holdings.grid.range(cell)
        let records = holdings.records[cell] ?? []
        let known = versions[cell]?.filter { $0.size == range.length } ?? []
        let newest = records.map(\.sequence).max()
        guard records.first(where: { $0.part == part })?.chunk == range else { return nil }
        let rivals = records.filter { $0.sequence == newest && $0.chunk == range }.compactMap(\.part)
        if let rival = known.first(where: { rivals.contains($0.etag) }) { return rival.etag }
        var gathered = ByteRangeSet()
        for record in records where record.part == nil {
            gathered.insert(holdings.grid.piece(of: record.chunk, in: cell))
        }
        for old in holdings.inherited where old.overlaps(range) {
            gathered.insert(holdings.grid.piece(of: old, in: cell))
        }
        return gathered.contains(range) ? nil : known.last?.etag
    }
}

extension ObjectStore {
    /// Lists all parts of a multipart upload; none if it has ended.
    func engineParts(_ path: String, _ multipart: String) throws(StoreError) -> EngineParts {
        var parts: [ListedPart] = []
        var after: Int? = 0
        while let last = after {
            let page = try onEngine { () throws(S3Error) in
                do throws(S3Error) {
                    return try bucket.parts(keys.file(path), upload: multipart, after: last)
                } catch {
                    guard case .noSuchUpload = error else { throw error }
                    return PartsPage(parts: [], next: nil)
                }
            }
            parts += page.parts
            after = page.next
        }
        return EngineParts(parts)
    }
}
