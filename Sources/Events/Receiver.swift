import UploadStore

/// Receives events of finished files.
protocol Receiver: Sendable {
    /// The receiver's bit.
    var recipient: Recipients { get }

    /// Delivers one event. Returns when the receiver has confirmed it, or when the delivery has failed. Blocks for at
    /// most the receiver's time limit, and for less once `stop` is set.
    func deliver(_ event: OwedEvent, stop: StopFlag) -> Delivery
}

/// The result of a delivery.
enum Delivery: Sendable, Equatable {
    case delivered
    case failed(Failure)

    struct Failure: Sendable, Equatable {
        /// Why it failed, as one line for the operator.
        var reason: String
        /// For how many seconds the receiver asks for no deliveries.
        var retryAfter: UInt64?
        /// True if the receiver could not be reached or reported a passing problem, which has nothing to do with the
        /// event.
        var isUnreachable = false
        /// True if the delivery was broken off because the program is stopping. It is not counted as an attempt.
        var isStopped = false
    }
}

/// Makes foreign text safe for a terminal and a log: its first line, shortened, without control characters.
func oneLine(_ text: String, atMost limit: Int = 200) -> String {
    let line = text.unicodeScalars.drop { $0.properties.isWhitespace }.prefix {
        !"\r\n\u{2028}\u{2029}".unicodeScalars.contains($0)
    }
    let plain = line.prefix(limit).map { scalar in
        switch scalar.properties.generalCategory {
        case .control, .format, .privateUse, .surrogate, .unassigned: Unicode.Scalar(0xfffd as UInt16) ?? " "
        default: scalar
        }
    }
    return String(String.UnicodeScalarView(plain))
}
