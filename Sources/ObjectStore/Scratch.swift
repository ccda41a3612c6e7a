import Linux
import S3
import UploadModel
import UploadStore

/// Bytes on their way to the engine, in a file without a name: a call to the engine may have to be repeated, and must
/// state the checksum of all bytes in front of them. Used by one thread.
final class Scratch {
    private let file: any File
    private(set) var length: UInt64 = 0

    init(in folder: any Directory) throws(StoreError) {
        file = try onDisk { () throws(FileError) in try folder.createNameless() }
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        try write(bytes, at: length)
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        try onDisk { () throws(FileError) in try file.write(bytes, at: offset) }
        length = max(length, offset + UInt64(bytes.count))
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

    /// The digests of the blocks of some bytes, one after the other (`BlockDigests`).
    func blocks(_ range: ByteRange) throws(StoreError) -> BlockDigests {
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
}
