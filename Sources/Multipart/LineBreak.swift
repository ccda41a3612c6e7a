/// The line break of a body.
enum LineBreak {
    /// The one of RFC 2046, section 4.1.1.
    case crlf
    /// The one of clients that write a form as a text of their own.
    case lf

    var bytes: [UInt8] {
        switch self {
        case .crlf: [ASCII.carriageReturn, ASCII.lineFeed]
        case .lf: [ASCII.lineFeed]
        }
    }
}
