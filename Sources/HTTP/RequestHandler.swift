/// Answers requests. Called by several threads at once.
package protocol RequestHandler: Sendable {
    /// Answers one request. The body need not be read to its end; the caller discards the rest.
    ///
    /// - Parameter buffer: memory to use during the call, at least 64 KiB. It belongs to the calling thread.
    func respond(
        to request: Request, body: inout some RequestBody, using buffer: UnsafeMutableRawBufferPointer
    ) -> Response
}
