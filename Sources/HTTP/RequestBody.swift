/// The bytes of a request's body, which the handler pulls.
package protocol RequestBody {
    /// Fills `buffer` with the next bytes, as far as there are any.
    ///
    /// - Returns: how many bytes were written to `buffer`; 0 at the end of a complete body.
    /// - Throws: `BodyError` if the body ends too early. Nothing more can be read after that.
    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BodyError) -> Int
}

/// Why a body could not be read to its end.
package enum BodyError: Error, Equatable {
    /// The client or the web server went away, or the connection failed.
    case cutShort(received: UInt64, announced: UInt64?)
}
