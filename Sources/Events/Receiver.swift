import UploadStore

/// Somebody who is told of finished files.
protocol Receiver: Sendable {
    /// Its bit in the journals.
    var recipient: Recipients { get }

    /// Tells it of one file, and returns when it is sure that it knows, or that it could not be told. Blocks for as long
    /// as the receiver's time limit says; less once `stop` is set.
    func deliver(_ event: OwedEvent, stop: StopFlag) -> Delivery
}

/// What came of telling a receiver.
enum Delivery: Sendable, Equatable {
    case delivered
    case failed(Failure)

    struct Failure: Sendable, Equatable {
        /// Why, as one line for the operator.
        var reason: String
        /// How many seconds the receiver asks to be left alone.
        var retryAfter: UInt64?
        /// True if it could not be reached, or said that it has a moment of trouble: then it is nothing about this event.
        var isUnreachable = false
        /// True if it was broken off because the program is to end: nothing is known of the receiver.
        var isStopped = false
    }
}

/// A word of somebody else's as one short line that neither a terminal nor a log would obey.
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
