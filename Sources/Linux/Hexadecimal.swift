extension FixedWidthInteger where Self: UnsignedInteger {
    /// All hexadecimal digits of the number, in lower case, leading zeros included: 2 for a `UInt8`, 16 for a `UInt64`.
    package var hexDigits: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: Self.bitWidth / 4 - digits.count) + digits
    }
}

extension [UInt8] {
    /// The digits of all bytes, in order. Every request needs some, so this makes a single string.
    package var hexDigits: String {
        String(unsafeUninitializedCapacity: 2 * count) { text in
            for (index, byte) in enumerated() {
                text[2 * index] = digit(byte >> 4)
                text[2 * index + 1] = digit(byte & 15)
            }
            return 2 * count
        }
    }
}

/// The hexadecimal digit of a value below 16, in ASCII.
private func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
}
