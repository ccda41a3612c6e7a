import UploadModel

/// The records that a chunk adds to the journal, apart from `held`.
enum Consequence: Equatable {
    case none
    /// It is the last chunk, and its offset is not known yet.
    case tail(Tail)
    /// It is the last chunk, so the file's size is known. If it was kept behind the file before, those bytes are not
    /// needed any more.
    case size(UInt64, releasing: ByteRange?)

    /// Its records; none if the journal has them already.
    func records(_ journal: Journal) -> [JournalRecord] {
        switch self {
        case .tail(let tail) where journal.tail != tail && journal.size == nil:
            [.tail(tail)]
        case .size(let size, let waited) where journal.size == nil:
            [.size(size)] + (waited.map { [.lost($0)] } ?? [])
        case .none, .tail, .size:
            []
        }
    }
}
