extension FixedWidthInteger where Self: UnsignedInteger {
    /// All hexadecimal digits of the number, in lower case, leading zeros included: 2 for a `UInt8`, 16 for a `UInt64`.
    package var hexDigits: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: Self.bitWidth / 4 - digits.count) + digits
    }
}

extension Collection<UInt8> {
    /// The digits of all bytes, in order.
    package var hexDigits: String { map(\.hexDigits).joined() }
}
