/// A response with its whole body: every body that this program sends is short.
package struct Response: Sendable, Equatable {
    /// The status code, 200 to 599. Never 1xx: nginx takes it for the final response of a FastCGI program.
    package var status: Int
    /// Header names and values, in order.
    package var headers: [Header]
    /// The body. It is not sent if the method of the request is HEAD.
    package var body: [UInt8]

    /// One header line.
    package struct Header: Sendable, Equatable {
        package var name: String
        package var value: String

        /// A header. Neither part may contain a line break.
        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// A response with these parts.
    package init(status: Int, headers: [Header] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The reason phrase of the status code (RFC 9110, section 15); empty for a code that this program never sends.
    package var reason: String {
        switch status {
        case 200: "OK"
        case 204: "No Content"
        case 404: "Not Found"
        case 415: "Unsupported Media Type"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        default: ""
        }
    }

    /// The value of the first header of that name. Case matters.
    package func header(_ name: String) -> String? {
        headers.first { $0.name == name }?.value
    }
}
