import JSON
import UploadModel
import UploadStore

/// The JSON of a test (PROTOCOL.md, The JSON of a test):
/// `{"size": 10485761, "held": [[0, 1048576], [3145728, 4194304]], "complete": false, "limits": {...}}`.
struct HeldRanges {
    /// The most ranges that are listed. A client sends the others again, which is safe and costs only time.
    static let maximumCount = 65_536

    private let size: UInt64?
    private let held: ArraySlice<ByteRange>
    private let complete: Bool
    private let limits: JSON

    /// - Parameter status: nil if the store doesn't know the upload.
    init(_ chunk: ChunkRequest, _ status: UploadStatus?, limits: JSON) {
        self.limits = limits
        if case .sized(let total, _, _) = chunk.place { size = total } else { size = status?.size }
        complete = status?.complete ?? false
        if complete, let size, size > 0 {
            held = [ByteRange(first: size)]
        } else {
            held = (status?.held.ranges ?? []).prefix(HeldRanges.maximumCount)
        }
    }

    /// The text's bytes. They are written one by one: any client may ask for them, and a string for each range would
    /// take several times as much time and memory.
    var json: [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(64 + held.count * 2 * 12)
        text.append(contentsOf: #"{"size": "#.utf8)
        if let size { text.append(decimal: size) } else { text.append(contentsOf: "null".utf8) }
        text.append(contentsOf: #", "held": ["#.utf8)
        for (index, range) in held.enumerated() {
            text.append(contentsOf: (index == 0 ? "[" : ", [").utf8)
            text.append(decimal: range.start)
            text.append(contentsOf: ", ".utf8)
            text.append(decimal: range.end)
            text.append(UInt8(ascii: "]"))
        }
        text.append(contentsOf: #"], "complete": \#(complete), "limits": \#(limits)}"#.utf8)
        return text
    }
}

extension [UInt8] {
    /// Appends a number's decimal digits.
    fileprivate mutating func append(decimal number: UInt64) {
        var unit: UInt64 = 1
        while number / unit >= 10 { unit *= 10 }
        while unit > 0 {
            append(UInt8(ascii: "0") + UInt8(number / unit % 10))
            unit /= 10
        }
    }
}
