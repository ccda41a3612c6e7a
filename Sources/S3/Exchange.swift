/// A line of a request's or an answer's head. The name is in lower case.
struct Header: Sendable, Equatable {
    let name: String
    let value: String

    init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// An HTTP request, ready to be sent.
struct Exchange {
    let method: String
    let url: String
    let headers: [Header]
    /// Nil for a method without a body.
    var payload: (any Payload)?
    /// Takes the body of an answer with a status of the 200s, together with the position of the bytes in it. If it
    /// returns false, the exchange fails. Nil: the answer keeps the body.
    var sink: ((_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> Bool)?
    /// The longest body that an answer with a status of the 200s keeps, in bytes. A longer one makes the exchange fail.
    var bodyLimit = 4 << 20
    /// Whether the request goes through the proxy that the environment names, if it names one.
    var usesProxy = true
}

/// The answer to an exchange.
struct Answer {
    var status = 0
    var headers: [Header] = []
    var body: [UInt8] = []

    /// The value of the first header with this name.
    subscript(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// Why there is no complete answer.
enum ExchangeError: Error {
    /// libcurl's words.
    case failed(String)
    case payload(PayloadError)
    /// The sink did not take the bytes.
    case sink
    /// The body is longer than the limit.
    case tooLong
}

/// How long an exchange may take, in milliseconds.
package struct TimeLimits: Sendable {
    /// Until there is a connection, with TLS.
    package var connect = 5_000
    /// How long fewer than 1 KiB a second may be sent or received; whole seconds are used.
    package var silence = 15_000
    /// All tries of a call together, with the pauses between them. nginx gives up on the program after 60 seconds.
    package var call = 40_000

    package init() {}
}
