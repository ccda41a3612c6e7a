import Linux
import S3
import UploadModel
import UploadStore

/// Bytes on their way to the engine, in a file without a name: a call to the engine may have to be repeated, and must
/// state the checksum of all bytes in front of them. Used by one thread.
///
/// The digests of all bytes are computed while these are written: then they are in the processor's caches, and the file
/// is read only once.
final class Scratch {
    private let file: any File
    private(set) var length: UInt64 = 0
    private let kind: ChecksumKind?
    private let hasher: ChecksumHasher?
    private var digests: BlockDigests?
    /// The checksum of all bytes, once it was asked for.
    private var checksum: Checksum?
    /// True once the digests of all bytes were asked for.
    private var isEnded = false
    /// How many bytes were digested; nil once bytes were written that do not follow these.
    private var digested: UInt64? = 0

    /// - Parameters:
    ///   - checksum: the kind that is needed of all bytes.
    ///   - digestedLength: how many bytes will come, if the digests of all their blocks are needed.
    init(
        in folder: any Directory, checksum: ChecksumKind? = nil, digestedLength: UInt64? = nil
    ) throws(StoreError) {
        file = try onDisk { () throws(FileError) in try folder.createNameless() }
        kind = checksum
        hasher = checksum.map { ChecksumHasher($0) }
        digests = digestedLength.map { BlockDigests(forLength: $0) }
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        try write(bytes, at: length)
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        try onDisk { () throws(FileError) in try file.write(bytes, at: offset) }
        length = max(length, offset + UInt64(bytes.count))
        guard let digested, offset == digested, !isEnded else {
            digested = nil
            return
        }
        hasher?.update(bytes)
        digests?.add(bytes)
        self.digested = length
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        try onDisk { () throws(FileError) in try file.read(into: buffer, at: offset) }
    }

    /// Some of the bytes, as the body of a request.
    ///
    /// - Parameter range: where they lie in the file.
    func payload(_ range: ByteRange) -> any Payload { ScratchPayload(scratch: self, range: range) }

    /// All bytes, as the body of a request.
    var payload: any Payload { payload(ByteRange(first: length)) }

    /// The checksum of some bytes, if it is known without reading them.
    func checksum(_ range: ByteRange, _ kind: ChecksumKind) -> Checksum? {
        guard range == ByteRange(first: length), digested == length, kind == self.kind else { return nil }
        isEnded = true
        if checksum == nil { checksum = hasher?.finish() }
        return checksum
    }

    /// The digests of the blocks of some bytes, one after the other (`BlockDigests`).
    func blocks(_ range: ByteRange) throws(StoreError) -> BlockDigests {
        if range == ByteRange(first: length), digested == length, digests != nil {
            isEnded = true
            digests?.end()
            if let digests { return digests }
        }
        var blocks = BlockDigests()
        do throws(PayloadError) { try payload(range).visit { blocks.add($0) } } catch {
            throw .failed(StoreCause(error.reason))
        }
        blocks.end()
        return blocks
    }
}

private struct ScratchPayload: Payload {
    let scratch: Scratch
    let range: ByteRange

    var length: UInt64 { range.length }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(PayloadError) -> Int {
        let count = min(buffer.count, Int(clamping: range.length - min(offset, range.length)))
        let wanted = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        do throws(StoreError) { return try scratch.read(into: wanted, at: range.start + offset) } catch {
            throw PayloadError("\(error)")
        }
    }

    func checksum(_ kind: ChecksumKind) -> Checksum? { scratch.checksum(range, kind) }
}
