import HTTP

/// Decides which pages may send requests, by the headers `Origin` (RFC 6454; Fetch standard, "CORS protocol") and
/// `Sec-Fetch-Site` (W3C Fetch Metadata Request Headers). PROTOCOL.md, Requests, has the rules.
///
/// A browser sends the page's origin with every request that could change something, and with every request whose
/// answer a page of another origin could read. Pages of the same host may send; others only if the operator allows
/// their origin. Requests with neither header come from other programs, for which there are tokens.
package struct OriginPolicy: Sendable {
    private let allowed: Set<Origin>
    private let allowsNull: Bool
    private let allowsAll: Bool

    /// A policy that allows pages of the same host only.
    package init() {
        (allowed, allowsNull, allowsAll) = ([], false, false)
    }

    /// - Parameter allowed: origins, such as `https://app.example.org`; `null` for pages without an origin; `*` for
    ///   all.
    /// - Throws: `OriginError` if one of them is none that a browser sends.
    package init(allowed: [String]) throws(OriginError) {
        var origins: Set<Origin> = []
        for text in allowed where text != "*" && text != "null" { origins.insert(try Origin(text)) }
        self.allowed = origins
        allowsNull = allowed.contains("null")
        allowsAll = allowed.contains("*")
    }

    /// The effect of a request's origin on its answer.
    enum Verdict: Equatable {
        /// No page of another host: the answer needs no CORS headers.
        case same
        /// A page of another origin that may send requests and read the answers.
        case allowed(String)
        /// A page that may not.
        case refused
    }

    func judge(_ request: Request) -> Verdict {
        guard let text = request.origin else {
            // A link, an image or a form of another site, which names no origin.
            return request.fetchSite == "cross-site" && !allowsAll ? .refused : .same
        }
        if let origin = try? Origin(text) {
            if let host = request.host, origin.isServed(by: host) { return .same }
            if allowed.contains(origin) { return .allowed(text) }
        } else if allowsNull && text == "null" {
            return .allowed(text)
        }
        return allowsAll ? .allowed("*") : .refused
    }

    /// The CORS headers that a browser needs to let the page read the answer.
    func headers(for request: Request, methods: String) -> [Response.Header] {
        // Answers depend on the origin, and caches must know.
        let vary = allowed.isEmpty && !allowsNull ? [] : [Response.Header("Vary", "Origin")]
        guard case .allowed(let origin) = judge(request) else { return vary }
        var headers =
            vary + [
                .init("Access-Control-Allow-Origin", origin),
                .init("Access-Control-Expose-Headers", "X-Upload-Outcome, Retry-After, X-Upload-Path"),
            ]
        // A site may have nginx check a cookie. Browsers don't accept credentials together with `*`.
        if origin != "*" { headers.append(.init("Access-Control-Allow-Credentials", "true")) }
        guard request.method == .options else { return headers }
        headers.append(.init("Access-Control-Allow-Methods", methods))
        if let wanted = request.requestedHeaders, OriginPolicy.isHeaderList(wanted) {
            headers.append(.init("Access-Control-Allow-Headers", wanted))
        }
        // Two hours, the longest that browsers keep it: a preflight for each chunk would double the requests.
        headers.append(.init("Access-Control-Max-Age", "7200"))
        return headers
    }

    /// True for a short list of header names (RFC 9110, section 5.6.1), which goes back to the client as it came.
    private static func isHeaderList(_ text: String) -> Bool {
        text.utf8.count <= 1024
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "-_, ".utf8.contains(byte)
                }
            }
    }
}
