/// The head of a request. Nothing here depends on FastCGI.
package struct Request: Sendable {
    /// The request method, as sent.
    package var method: Method
    /// The path without the query, percent-decoded by the web server.
    package var path: String
    /// The query string as it is in the URL, without the question mark; empty if there is none.
    package var query: String
    /// The media type of the body with its parameters, as sent.
    package var contentType: String?
    /// The encodings of the body, as sent (RFC 9110, section 8.4); nil if the header is missing or empty.
    package var contentEncoding: String?
    /// The announced length of the body, in bytes (RFC 9110, section 8.6).
    package var contentLength: UInt64?
    /// The media types that the client accepts in the response, as sent (RFC 9110, section 12.5.1).
    package var accept: String?
    /// Digests of the body, as sent (RFC 9530, section 2).
    package var contentDigest: String?
    /// The client's credentials, as sent (RFC 9110, section 11.6.2).
    package var authorization: String?
    /// The authority that the request is for, as sent: a host, and a port if it is not the scheme's default (RFC 9110,
    /// section 7.2).
    package var host: String?
    /// The origin of the page that sends the request, as sent (RFC 6454, section 7).
    package var origin: String?
    /// How the page that sends the request relates to this site, as sent (W3C Fetch Metadata Request Headers,
    /// "Sec-Fetch-Site").
    package var fetchSite: String?
    /// The headers that a preflight asks for, as sent (Fetch standard, "CORS protocol").
    package var requestedHeaders: String?
    /// The address of the client, as the web server sees it; empty if the web server doesn't pass it on.
    package var remoteAddress: String
    /// The largest body that the web server passes on, as its configuration has it (nginx's `client_max_body_size`); nil
    /// if the web server doesn't tell.
    package var bodyLimit: String?
    /// The web server's identifier of this request, which its log has as well; empty if there is none.
    package var requestID: String

    /// A request; all but method and path may be left out.
    package init(
        method: Method,
        path: String,
        query: String = "",
        contentType: String? = nil,
        contentEncoding: String? = nil,
        contentLength: UInt64? = nil,
        accept: String? = nil,
        contentDigest: String? = nil,
        authorization: String? = nil,
        host: String? = nil,
        origin: String? = nil,
        fetchSite: String? = nil,
        requestedHeaders: String? = nil,
        remoteAddress: String = "",
        bodyLimit: String? = nil,
        requestID: String = ""
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.contentType = contentType
        self.contentEncoding = contentEncoding
        self.contentLength = contentLength
        self.accept = accept
        self.contentDigest = contentDigest
        self.authorization = authorization
        self.host = host
        self.origin = origin
        self.fetchSite = fetchSite
        self.requestedHeaders = requestedHeaders
        self.remoteAddress = remoteAddress
        self.bodyLimit = bodyLimit
        self.requestID = requestID
    }

    /// True if the client names this media type in `Accept`. A wildcard doesn't count. A quality of zero means that the
    /// client doesn't accept it (RFC 9110, section 12.4.2).
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
    /// True for `q=0`, with up to three zeros after a point.
    fileprivate var isZeroQuality: Bool {
        hasPrefix("q=0") && dropFirst(3).allSatisfy { $0 == "." || $0 == "0" }
    }
}
