import HTTP

/// Which pages may send requests, by the header `Origin` (RFC 6454; Fetch standard, "CORS protocol").
///
/// A browser names the origin of the page in every request that could change something or whose answer the page could read
/// across origins. A page of the same host may send; others only where the operator allows them. Requests without the
/// header come from programs that are no browsers, or are questions of the same origin: other means (tokens) are for those.
package struct OriginPolicy: Sendable {
    private let allowed: Set<String>
    private let allowsAll: Bool

    /// - Parameter allowed: origins as browsers write them, such as `https://app.example.org`; `*` for all.
    package init(allowed: [String] = []) {
        self.allowed = Set(allowed.map { $0.lowercased() })
        allowsAll = allowed.contains("*")
    }

    /// True if `text` can be an origin: a scheme, a host and perhaps a port, and nothing behind them; or `*`.
    package static func isOrigin(_ text: String) -> Bool {
        if text == "*" { return true }
        guard let authority = authority(of: text), !authority.isEmpty else { return false }
        return text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
            && !authority.utf8.contains { "/?#@\\".utf8.contains($0) }
    }

    /// What a request's origin means for its answer.
    enum Verdict: Equatable {
        /// No browser, or a page of the same host: nothing to say about origins.
        case same
        /// A page of another origin that may send, and read the answer.
        case allowed(String)
        /// A page that may not.
        case refused
    }

    func judge(_ request: Request) -> Verdict {
        guard let origin = request.origin else { return .same }
        // Compared by host and port only: the scheme that nginx sees is not the browser's where another proxy takes the
        // encryption off. A page of the same host over the other scheme is the same site's.
        if let host = request.host, OriginPolicy.authority(of: origin)?.lowercased() == host.lowercased() {
            return .same
        }
        if allowed.contains(origin.lowercased()) { return .allowed(origin) }
        return allowsAll ? .allowed("*") : .refused
    }

    /// Adds what the browser wants to see, so that the page may read the answer.
    func headers(for request: Request, methods: String) -> [Response.Header] {
        // Where one origin gets another answer than the next, a cache must know.
        let vary = allowed.isEmpty ? [] : [Response.Header("Vary", "Origin")]
        guard case .allowed(let origin) = judge(request) else { return vary }
        var headers =
            vary + [
                .init("Access-Control-Allow-Origin", origin),
                .init("Access-Control-Expose-Headers", "X-Upload-Outcome, Retry-After"),
            ]
        // Cookies are of use to a site that has nginx ask somebody else who this is. `*` and cookies exclude each other.
        if origin != "*" { headers.append(.init("Access-Control-Allow-Credentials", "true")) }
        guard request.method == .options else { return headers }
        headers.append(.init("Access-Control-Allow-Methods", methods))
        if let wanted = request.requestedHeaders, OriginPolicy.isHeaderList(wanted) {
            headers.append(.init("Access-Control-Allow-Headers", wanted))
        }
        // Two hours, the longest that browsers remember it: a preflight for each chunk would double the requests.
        headers.append(.init("Access-Control-Max-Age", "7200"))
        return headers
    }

    /// What stands behind the scheme.
    private static func authority(of origin: String) -> Substring? {
        for scheme in ["https://", "http://"] where origin.lowercased().hasPrefix(scheme) {
            return origin.dropFirst(scheme.count)
        }
        return nil
    }

    /// Names of headers with commas between them (RFC 9110, section 5.6), not too many: they go back as they came.
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
