import CCRC32C

/// The cyclic redundancy check with Castagnoli's polynomial (RFC 3720, section 12.1).
///
/// Nearly all processors have an instruction for it. The others take eight bytes at a time: `tables[k]` moves the effect
/// of a byte over the k bytes after it (Kounavis and Berry, 2008: slicing-by-8).
struct CRC32C {
    private var state: UInt32 = 0xffff_ffff
    private let usesInstruction: Bool

    static let hasInstruction = crc32c_has_instruction()

    /// - Parameter usesInstruction: only true if the processor has it.
    init(usesInstruction: Bool = hasInstruction) { self.usesInstruction = usesInstruction }

    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var value = UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 0 ? value >> 1 : value >> 1 ^ 0x82f6_3b78 }
            tables[byte] = value
        }
        for index in 256..<8 * 256 {
            let before = tables[index - 256]
            tables[index] = tables[Int(before & 255)] ^ before >> 8
        }
        return tables
    }()

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        if usesInstruction {
            state = crc32c_add(state, bytes.baseAddress, bytes.count)
        } else {
            updateByTables(bytes)
        }
    }

    private mutating func updateByTables(_ bytes: UnsafeRawBufferPointer) {
        var crc = state
        CRC32C.tables.withUnsafeBufferPointer { tables in
            var position = 0
            while position + 8 <= bytes.count {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
                let mixed = word ^ UInt64(crc)
                crc = 0
                for index in 0..<8 {
                    crc ^= tables[(7 - index) << 8 | Int(truncatingIfNeeded: mixed >> UInt64(8 * index)) & 255]
                }
                position += 8
            }
            for byte in bytes[position...] { crc = tables[Int((crc ^ UInt32(byte)) & 255)] ^ crc >> 8 }
        }
        state = crc
    }

    var value: UInt32 { ~state }
}
