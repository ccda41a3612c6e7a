import UploadModel
import UploadStore

/// The JSON that tells all that is held (contract, "Requests"):
/// `{"size": 10485761, "held": [[0, 1048576], [3145728, 4194304]], "complete": false}`.
struct HeldRanges {
    /// The most ranges that are told. A client sends again what it isn't told of, so leaving some out costs only time.
    static let maximumCount = 65_536

    let size: UInt64
    let held: ArraySlice<ByteRange>
    let complete: Bool

    /// - Parameters:
    ///   - status: nil where nothing is known of the upload.
    init(size: UInt64, status: UploadStatus?) {
        self.size = size
        complete = status?.complete ?? false
        held =
            complete && size > 0
            ? [ByteRange(first: size)] : (status?.held.ranges ?? []).prefix(HeldRanges.maximumCount)
    }

    var json: [UInt8] {
        let ranges = held.map { "[\($0.start), \($0.end)]" }.joined(separator: ", ")
        return Array(#"{"size": \#(size), "held": [\#(ranges)], "complete": \#(complete)}"#.utf8)
    }
}
