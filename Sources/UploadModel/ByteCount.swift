/// A number of bytes as people write it: `500`, `64K`, `20M`, `50G`, `1T`. The units are powers of 1,024, in upper or
/// lower case. At most 2^63 - 1.
package struct ByteCount: Sendable {
    package let bytes: UInt64

    package init(_ bytes: UInt64) {
        self.bytes = bytes
    }

    /// - Returns: nil for any other text.
    package init?(_ text: String) {
        let units: [Character: UInt64] = ["K": 10, "M": 20, "G": 30, "T": 40]
        let shift = text.last.flatMap { units[Character($0.uppercased())] }
        guard let number = UInt64(shift == nil ? text[...] : text.dropLast()) else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << (shift ?? 0))
        guard !overflow, bytes <= UInt64(Int64.max) else { return nil }
        self.bytes = bytes
    }
}
