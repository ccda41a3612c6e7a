/// Bytes of a chunk whose parameters stand behind it in the request: kept in a nameless file until they are known.
public final class Spool {
    private let file: any File
    /// How many bytes it has taken.
    public private(set) var length: UInt64 = 0

    init(_ file: any File) {
        self.file = file
    }

    /// Takes the next bytes.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        try onDisk { () throws(FileError) in try file.write(bytes, at: length) }
        length += UInt64(bytes.count)
    }

    /// Hands all bytes on, through `buffer`.
    public func replay(
        to writer: any ChunkWriter, through buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        var position: UInt64 = 0
        while position < length {
            let count = try onDisk { () throws(FileError) in try file.read(into: buffer, at: position) }
            guard count > 0 else { return }
            try writer.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            position += UInt64(count)
        }
    }
}
