/// Bytes of a chunk whose parameters stand behind it in the request: kept in a nameless file until they are known.
package final class Spool {
    private let file: any File
    /// How many bytes it has taken.
    package private(set) var length: UInt64 = 0

    init(_ file: any File) {
        self.file = file
    }

    /// Takes the next bytes.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        try onDisk { () throws(FileError) in try file.write(bytes, at: length) }
        length += UInt64(bytes.count)
    }

    /// Hands all bytes on, through `buffer`.
    package func replay(
        to writer: any ChunkWriter, through buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        try replay(through: buffer, failing: { $0 }, { bytes throws(StoreError) in try writer.write(bytes) })
    }

    /// The same, to whoever takes them.
    ///
    /// - Parameter failing: says a failure to read in the taker's words.
    package func replay<Failure: Error>(
        through buffer: UnsafeMutableRawBufferPointer, failing: (StoreError) -> Failure,
        _ take: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var position: UInt64 = 0
        while position < length {
            var count = 0
            do throws(FileError) { count = try file.read(into: buffer, at: position) } catch {
                throw failing(StoreError(error))
            }
            guard count > 0 else { return }
            try take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            position += UInt64(count)
        }
    }
}
