/// A request method (RFC 9110, section 9; PATCH: RFC 5789).
package enum Method: Sendable, Equatable {
    case get, head, post, put, patch, delete, options
    /// A method that no route supports.
    case other(String)

    /// The method of that name. Names are case-sensitive (RFC 9110, section 9.1).
    package init(_ name: String) {
        self =
            switch name {
            case "GET": .get
            case "HEAD": .head
            case "POST": .post
            case "PUT": .put
            case "PATCH": .patch
            case "DELETE": .delete
            case "OPTIONS": .options
            default: .other(name)
            }
    }
}
