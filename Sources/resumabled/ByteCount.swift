import ArgumentParser

/// A number of bytes on the command line: `500`, `64K`, `20M`, `50G`, `1T`. The units are powers of 1,024.
struct ByteCount: ExpressibleByArgument, Sendable {
    let bytes: UInt64

    init(_ bytes: UInt64) {
        self.bytes = bytes
    }

    init?(argument: String) {
        let units: [Character: UInt64] = ["K": 10, "M": 20, "G": 30, "T": 40]
        let shift = argument.last.flatMap { units[Character($0.uppercased())] }
        guard let number = UInt64(shift == nil ? argument[...] : argument.dropLast()) else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << (shift ?? 0))
        guard !overflow, bytes <= UInt64(Int64.max) else { return nil }
        self.bytes = bytes
    }

    var defaultValueDescription: String {
        for (unit, shift) in [("T", 40), ("G", 30), ("M", 20), ("K", 10)] where bytes >= 1 << shift {
            if bytes % (1 << shift) == 0 { return "\(bytes >> shift)\(unit)" }
        }
        return "\(bytes)"
    }
}
