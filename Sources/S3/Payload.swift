/// The body of a request. It can be read more than once, because a request may have to be repeated.
package protocol Payload {
    /// In bytes. It must not change.
    var length: UInt64 { get }

    /// Reads bytes from `offset`.
    ///
    /// - Returns: their number, at least 1 before the end.
    /// - Throws: `PayloadError` if the bytes cannot be had. The request is given up.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(PayloadError) -> Int

    /// The checksum of all bytes, if it is known without reading them.
    func checksum(_ kind: ChecksumKind) -> Checksum?
}

extension Payload {
    package func checksum(_ kind: ChecksumKind) -> Checksum? { nil }
}

/// Why a body cannot be read, in words for the log.
package struct PayloadError: Error, Equatable {
    package let reason: String

    package init(_ reason: String) { self.reason = reason }
}

extension [UInt8]: Payload {
    package var length: UInt64 { UInt64(count) }

    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(PayloadError) -> Int {
        let rest = self[Swift.min(Int(clamping: offset), count)...].prefix(buffer.count)
        buffer.copyBytes(from: rest)
        return rest.count
    }
}
