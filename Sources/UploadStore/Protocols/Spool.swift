/// Temporary storage for a chunk whose parameters follow it in the request. The bytes are gone when the spool is
/// released. Used by one thread.
package protocol Spool: AnyObject {
    /// The number of bytes that were written.
    var length: UInt64 { get }

    /// Appends bytes.
    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError)

    /// Reads bytes from `offset`. Returns their number, which is less than the buffer takes only at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int
}

extension Spool {
    /// Passes all bytes on to a writer, through `buffer`.
    package func replay(
        to writer: any ChunkWriter, through buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        try replay(through: buffer, failing: { $0 }, { bytes throws(StoreError) in try writer.write(bytes) })
    }

    /// Passes all bytes on to `take`, through `buffer`.
    ///
    /// - Parameter failing: turns a failure to read into an error of the caller's type.
    package func replay<Failure: Error>(
        through buffer: UnsafeMutableRawBufferPointer, failing: (StoreError) -> Failure,
        _ take: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var position: UInt64 = 0
        while position < length {
            var count = 0
            do throws(StoreError) { count = try read(into: buffer, at: position) } catch { throw failing(error) }
            guard count > 0 else { return }
            try take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            position += UInt64(count)
        }
    }
}
