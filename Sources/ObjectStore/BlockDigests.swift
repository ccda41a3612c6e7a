import Linux
import UploadModel
import UploadStore

/// The digests of blocks of 4 KiB: the first 16 bytes of the SHA-256 of each, one after the other.
///
/// The object of a record whose bytes are a part has them, because the bytes of a part cannot be read before the file
/// is complete: so a chunk that lies across it, of a client that has come back with another chunk size, can be compared.
struct BlockDigests: Equatable {
    static let block: UInt64 = 4096
    private static let length = 16

    /// How many bytes the digests of so many bytes have.
    static func count(of length: UInt64) -> Int { Int((length + block - 1) / block) * BlockDigests.length }

    private(set) var bytes: [UInt8] = []
    private var rest: [UInt8] = []

    init() {}

    /// - Parameter length: how many bytes will come, as their sender states.
    init(forLength length: UInt64) { bytes.reserveCapacity(BlockDigests.count(of: min(length, 1 << 30))) }

    /// Takes digests that were stored.
    init(bytes: [UInt8]) { self.bytes = bytes }

    /// Takes the next bytes of what is digested.
    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        var bytes = bytes
        let block = Int(BlockDigests.block)
        if !rest.isEmpty {
            let count = min(block - rest.count, bytes.count)
            rest += bytes[..<count]
            bytes = UnsafeRawBufferPointer(rebasing: bytes[count...])
            guard rest.count == block else { return }
            end()
        }
        while bytes.count >= block {
            digest(UnsafeRawBufferPointer(rebasing: bytes[..<block]))
            bytes = UnsafeRawBufferPointer(rebasing: bytes[block...])
        }
        rest += bytes
    }

    /// Digests the last block, which may be shorter.
    mutating func end() {
        guard !rest.isEmpty else { return }
        let last = rest
        rest = []
        last.withBytes { digest($0) }
    }

    private mutating func digest(_ block: UnsafeRawBufferPointer) {
        bytes += sha256(block).prefix(BlockDigests.length)
    }

    /// Names the bytes that were digested: 64 hexadecimal digits.
    var digest: String { sha256Hex(bytes) }

    /// The digest of a block; nil if there is none.
    subscript(index: Int) -> ArraySlice<UInt8>? {
        let start = index * BlockDigests.length
        let end = start + BlockDigests.length
        return index >= 0 && end <= bytes.count ? bytes[start..<end] : nil
    }
}
