import UploadModel

/// The part of a journal that answers a test.
struct StatusView {
    private let size: UInt64?
    private let chunkSize: UInt64?
    private let held: ByteRangeSet
    private let isPublished: Bool
    private let tail: Tail?

    init(_ journal: Journal) {
        size = journal.size
        chunkSize = journal.chunkSize
        held = journal.held
        isPublished = journal.isPublished
        tail = journal.tail
    }

    /// - Parameter postponed: parts of the Flask backend that the next requests will take over.
    func status(of chunk: ChunkRequest, postponed: [FlaskParts.Part]) -> UploadStatus {
        var held = held
        // A last chunk whose place is unknown lies beyond every file, and clients must not see it. The set is copied
        // when it changes and may have many ranges, so look first.
        if (held.ranges.last?.end ?? 0) > Journal.tailOffset, let tail = ByteRange(from: Journal.tailOffset, to: .max) {
            held.remove(tail)
        }
        for range in postponed.compactMap(\.range) { held.insert(range) }
        let isHeld =
            isPublished || tail?.number == chunk.number
            || postponed.contains { $0.number == chunk.number }
            || range(of: chunk).map(held.contains) == true
        return UploadStatus(
            size: size, held: held, complete: isPublished, receipt: isHeld ? Receipt(.duplicate) : nil)
    }

    /// Returns the chunk's range; nil while that is unknown.
    private func range(of chunk: ChunkRequest) -> ByteRange? {
        switch chunk.place {
        case .sized(_, _, let layout):
            return layout.range
        case .counted(let chunks):
            guard let chunkSize else { return nil }
            let (start, overflow) = (chunk.number - 1).multipliedReportingOverflow(by: chunkSize)
            guard !overflow else { return nil }
            guard chunk.number == chunks else { return ByteRange(from: start, length: chunkSize) }
            return size.flatMap { ByteRange(from: start, to: $0) }
        }
    }
}
