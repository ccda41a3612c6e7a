import Glibc

extension File {
    /// True if the file has exactly these bytes at `position`.
    ///
    /// - Parameter scratch: memory that is kept from call to call; allocated by the first.
    func hasBytes(
        _ bytes: UnsafeRawBufferPointer, at position: UInt64, scratch: inout [UInt8]
    ) throws(FileError) -> Bool {
        if scratch.isEmpty { scratch = [UInt8](repeating: 0, count: 64 << 10) }
        var done = 0
        while done < bytes.count {
            let piece = UnsafeRawBufferPointer(rebasing: bytes[done..<min(done + scratch.count, bytes.count)])
            var result = Result<Bool, FileError>.success(false)
            scratch.withUnsafeMutableBytes { buffer in
                let held = UnsafeMutableRawBufferPointer(rebasing: buffer[..<piece.count])
                result = Result { () throws(FileError) in
                    guard try read(into: held, at: position + UInt64(done)) == piece.count,
                        let expected = piece.baseAddress, let found = held.baseAddress
                    else { return false }
                    return memcmp(expected, found, piece.count) == 0
                }
            }
            guard try result.get() else { return false }
            done += piece.count
        }
        return true
    }
}
