/// A file's bytes. Ranges that were never written read as zeros and take no memory.
package struct SparseBytes {
    private static let pageSize: UInt64 = 1 << 20

    /// Each page is only as long as its written part.
    private var pages: [UInt64: [UInt8]] = [:]
    /// The file's size.
    private(set) var count: UInt64 = 0

    /// Writes bytes. The file grows if they end after its end.
    package mutating func write(_ bytes: ArraySlice<UInt8>, at offset: UInt64) {
        var rest = bytes
        var position = offset
        while !rest.isEmpty {
            let start = Int(position % SparseBytes.pageSize)
            let piece = rest.prefix(Int(SparseBytes.pageSize) - start)
            put(piece, in: position / SparseBytes.pageSize, at: start)
            rest = rest.dropFirst(piece.count)
            position += UInt64(piece.count)
        }
        count = max(count, position)
    }

    private mutating func put(_ bytes: ArraySlice<UInt8>, in page: UInt64, at start: Int) {
        let missing = start + bytes.count - (pages[page]?.count ?? 0)
        if missing > 0 { pages[page, default: []] += [UInt8](repeating: 0, count: missing) }
        pages[page]?.replaceSubrange(start..<start + bytes.count, with: bytes)
    }

    /// Truncates the file, or extends it with zeros.
    package mutating func resize(to size: UInt64) {
        if size < count {
            for page in pages.keys where page >= size / SparseBytes.pageSize {
                let kept = page == size / SparseBytes.pageSize ? Int(size % SparseBytes.pageSize) : 0
                let bytes = pages[page]?.prefix(kept) ?? []
                pages[page] = bytes.isEmpty ? nil : Array(bytes)
            }
        }
        count = size
    }

    /// The bytes at that offset, fewer at the end of the file.
    package func read(at offset: UInt64, atMost wanted: Int) -> [UInt8] {
        guard offset < count else { return [] }
        let end = min(count, offset + UInt64(wanted))
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(end - offset))
        var position = offset
        while position < end {
            let start = Int(position % SparseBytes.pageSize)
            let length = min(Int(SparseBytes.pageSize) - start, Int(end - position))
            let piece = pages[position / SparseBytes.pageSize]?.dropFirst(start).prefix(length) ?? []
            bytes += piece
            bytes += repeatElement(0, count: length - piece.count)
            position += UInt64(length)
        }
        return bytes
    }
}
