/// The bytes of a request's body, pulled by whoever can use them.
package protocol RequestBody {
    /// Fills `buffer` as far as bytes come.
    ///
    /// - Returns: how many bytes were written to `buffer`; 0 at the end of a body that came whole.
    /// - Throws: `BodyError` if the body ends too early. Nothing more can be read then.
    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BodyError) -> Int
}

/// Why a body could not be read to its end.
package enum BodyError: Error, Equatable {
    /// The sender or the web server went away, or the connection failed.
    case cutShort(received: UInt64, announced: UInt64?)
}
