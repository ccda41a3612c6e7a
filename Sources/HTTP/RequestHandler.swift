/// Whoever answers requests. Called from many threads at once.
package protocol RequestHandler: Sendable {
    /// Answers one request. The body need not be read to its end: what is left is thrown away by the caller.
    ///
    /// - Parameters:
    ///   - buffer: memory to work with during the call: the calling thread's own, at least 64 KiB.
    func respond(
        to request: Request, body: inout some RequestBody, using buffer: UnsafeMutableRawBufferPointer
    ) -> Response
}
