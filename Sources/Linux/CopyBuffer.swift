/// Calls `body` with a buffer to copy a file's bytes through: 256 KiB that start at a page, freed when `body` ends.
package func withCopyBuffer<Result, Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
) throws(Failure) -> Result {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    return try body(buffer)
}

extension [UInt8] {
    /// `withUnsafeMutableBytes` that passes the closure's error on with its type.
    package mutating func withMutableBytes<Result, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withUnsafeMutableBufferPointer { bytes throws(Failure) in try body(UnsafeMutableRawBufferPointer(bytes)) }
    }
}
