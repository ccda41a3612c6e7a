import UploadModel
import UploadStore

/// The JSON that tells all that is held (contract, "Requests"):
/// `{"size": 10485761, "held": [[0, 1048576], [3145728, 4194304]], "complete": false}`.
struct HeldRanges {
    /// The most ranges that are told. A client sends again what it isn't told of, so leaving some out costs only time.
    static let maximumCount = 65_536

    private let size: UInt64?
    private let held: ArraySlice<ByteRange>
    private let complete: Bool

    /// - Parameter status: nil where nothing is known of the upload.
    init(_ chunk: ChunkRequest, _ status: UploadStatus?) {
        if case .sized(let total, _, _) = chunk.place { size = total } else { size = status?.size }
        complete = status?.complete ?? false
        if complete, let size, size > 0 {
            held = [ByteRange(first: size)]
        } else {
            held = (status?.held.ranges ?? []).prefix(HeldRanges.maximumCount)
        }
    }

    var json: [UInt8] {
        let ranges = held.map { "[\($0.start), \($0.end)]" }.joined(separator: ", ")
        let size = size.map(String.init) ?? "null"
        return Array(#"{"size": \#(size), "held": [\#(ranges)], "complete": \#(complete)}"#.utf8)
    }
}
