/// What is asked, without how it came: nothing here knows of FastCGI.
package struct Request: Sendable {
    /// The request method, as sent.
    package var method: Method
    /// The path without the query, percent-decoded by the web server.
    package var path: String
    /// The query string as it stands in the URL, without the question mark; empty where there is none.
    package var query: String
    /// The media type of the body with its parameters, as sent.
    package var contentType: String?
    /// The number of bytes that the body has, as announced (RFC 9110, section 8.6).
    package var contentLength: UInt64?
    /// The media types that the client takes for an answer, as sent (RFC 9110, section 12.5.1).
    package var accept: String?
    /// Digests of the body, as sent (RFC 9530, section 2).
    package var contentDigest: String?
    /// The client's credentials, as sent (RFC 9110, section 11.6.2).
    package var authorization: String?
    /// The authority that the client asked, as sent: host, and port where it is not the scheme's own (RFC 9110, section
    /// 7.2).
    package var host: String?
    /// The origin of the page that sends the request, as sent (RFC 6454, section 7).
    package var origin: String?
    /// In a preflight, the headers that the request to come will have, as sent (Fetch standard, "CORS protocol").
    package var requestedHeaders: String?
    /// The address of the client, as the web server saw it; empty where that doesn't say.
    package var remoteAddress: String
    /// The name under which the web server logs this request; empty where it gives none.
    package var requestID: String

    /// A request; everything but method and path may be left out.
    package init(
        method: Method,
        path: String,
        query: String = "",
        contentType: String? = nil,
        contentLength: UInt64? = nil,
        accept: String? = nil,
        contentDigest: String? = nil,
        authorization: String? = nil,
        host: String? = nil,
        origin: String? = nil,
        requestedHeaders: String? = nil,
        remoteAddress: String = "",
        requestID: String = ""
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.contentType = contentType
        self.contentLength = contentLength
        self.accept = accept
        self.contentDigest = contentDigest
        self.authorization = authorization
        self.host = host
        self.origin = origin
        self.requestedHeaders = requestedHeaders
        self.remoteAddress = remoteAddress
        self.requestID = requestID
    }

    /// True where the client names this media type in `Accept`. A wildcard doesn't count: who wants it, says so.
    /// A quality of zero means that it is not wanted (RFC 9110, section 12.4.2).
    package func accepts(_ mediaType: String) -> Bool {
        guard let accept else { return false }
        return accept.split(separator: ",").contains { item in
            let parts = item.split(separator: ";", omittingEmptySubsequences: false).map(\.trimmedLowercase)
            return parts[0] == mediaType && !parts.dropFirst().contains(where: \.isZeroQuality)
        }
    }
}

extension Substring {
    /// In lower case, without the spaces and tabs around it.
    fileprivate var trimmedLowercase: String {
        var result = drop { $0 == " " || $0 == "\t" }
        while result.last == " " || result.last == "\t" { result.removeLast() }
        return result.lowercased()
    }
}

extension String {
    /// True for `q=0`, which may have up to three zeros behind a point.
    fileprivate var isZeroQuality: Bool {
        hasPrefix("q=0") && dropFirst(3).allSatisfy { $0 == "." || $0 == "0" }
    }
}
