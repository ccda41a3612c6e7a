package import HTTP
import UploadModel
package import UploadStore

/// What became of one request, for whoever watches over the service: counters and logs.
package struct RequestReport: Sendable {
    /// What was asked.
    package let request: Request
    /// What the client was told.
    package let outcome: OutcomeName
    /// The line that it was told.
    package let line: String
    /// Why its file will never be accepted; nil if nothing says so.
    package let refusal: Refusal?
    /// The file that was refused, in its sender's words; nil for other requests, and where nothing was said of it.
    package let file: (name: String?, size: UInt64?)?
    /// What its chunk did to the upload; nil if it brought none that was taken.
    package let effect: Receipt.Effect?
    /// What was wrong with the store; nil if nothing was.
    package let fault: StoreFault?
    /// How many bytes of the body were read.
    package let received: UInt64
    /// From the request's head to the answer.
    package let duration: Duration

    init(
        _ request: Request, _ outcome: Outcome, file: (name: String?, size: UInt64?)?, received: UInt64,
        duration: Duration, fault: StoreFault?
    ) {
        self.request = request
        self.file = file
        self.received = received
        self.duration = duration
        self.fault = fault
        let row = outcome.row
        self.outcome = row.name
        line = row.line
        if case .refused(_, let because) = outcome { refusal = because } else { refusal = nil }
        if case .stored(let receipt) = outcome { effect = receipt.effect } else { effect = nil }
    }
}

/// Is told of each request when its answer is known, on the thread that answers: must be quick.
package typealias RequestObserver = @Sendable (RequestReport) -> Void

/// A body that counts what is read of it.
struct CountedBody<Body: RequestBody>: RequestBody {
    private(set) var body: Body
    /// In bytes.
    private(set) var received: UInt64 = 0

    init(_ body: Body) {
        self.body = body
    }

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BodyError) -> Int {
        let count = try body.read(into: buffer)
        received += UInt64(count)
        return count
    }
}
