package import HTTP
import UploadModel
package import UploadStore

/// One request and its outcome, for metrics and logs.
package struct RequestReport: Sendable {
    /// The request, without its body.
    package let request: Request
    /// Its outcome.
    package let outcome: OutcomeName
    /// The line of text in the response.
    package let line: String
    /// Why its file will never be accepted; nil for other outcomes.
    package let refusal: Refusal?
    /// The file that was refused, as the client describes it; nil for other requests, and if the client doesn't.
    package let file: (name: String?, size: UInt64?)?
    /// The effect of its chunk on the upload; nil if no chunk was stored.
    package let effect: Receipt.Effect?
    /// The fault of the store; nil if there was none.
    package let fault: StoreFault?
    /// How many bytes of the body were read.
    package let received: UInt64
    /// From the request's head to the response.
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

/// Called for each request once its response is known, on the thread that answers it: must be quick.
package typealias RequestObserver = @Sendable (RequestReport) -> Void

/// A body that counts the bytes that are read from it.
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
