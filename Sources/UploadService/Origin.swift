import Glibc

/// An origin in the form that browsers send (RFC 6454, section 6.2; WHATWG URL, "host serializing"): scheme, host, and
/// the port if it is not the scheme's default.
struct Origin: Sendable, Hashable {
    let scheme: String
    /// In lower case; an IPv6 address in brackets, compressed.
    let host: String
    /// Nil for the scheme's default port.
    let port: UInt16?

    /// The default ports of schemes (WHATWG URL, "special scheme").
    private static let defaultPorts: [String: UInt16] = ["http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21]

    /// Reads an origin. Case makes no difference, and a default port may be written out.
    ///
    /// - Throws: `OriginError` if no browser sends such an origin.
    init(_ text: String) throws(OriginError) {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), text[colon...].hasPrefix("://") else {
            throw .noScheme
        }
        let scheme = text[..<colon].lowercased()
        guard Origin.isScheme(scheme) else { throw .noScheme }
        let authority = text[text.index(colon, offsetBy: 3)...]
        // Some web views send the origin of local files like this, where browsers send `null`.
        if scheme == "file", authority.isEmpty {
            (self.scheme, host, port) = (scheme, "", nil)
            return
        }
        let (host, port) = try Origin.split(authority)
        self.scheme = scheme
        self.host = host
        self.port = port == Origin.defaultPorts[scheme] ? nil : port
    }

    /// True if `authority`, the value of a header `Host`, names this origin's host and port. The scheme is not
    /// compared: the one that the web server sees is not the browser's where another proxy has removed TLS. A `Host`
    /// without a port means the default port of the origin's scheme.
    func isServed(by authority: String) -> Bool {
        guard scheme == "http" || scheme == "https", let (host, port) = try? Origin.split(authority[...]) else {
            return false
        }
        return host == self.host && (port == Origin.defaultPorts[scheme] ? nil : port) == self.port
    }

    /// Host and port of an authority without user information.
    private static func split(_ authority: Substring) throws(OriginError) -> (host: String, port: UInt16?) {
        guard !authority.utf8.contains(UInt8(ascii: "@")) else { throw .userInformation }
        guard !authority.utf8.contains(where: { "/?#".utf8.contains($0) }) else { throw .path }
        guard authority.utf8.allSatisfy({ $0 < 0x80 }) else { throw .notASCII }
        var end = authority.endIndex
        var port: UInt16?
        // Colons inside of brackets belong to an IPv6 address.
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            let digits = authority[authority.index(after: colon)...]
            guard let number = UInt16(digits), digits == "\(number)" else { throw .port }
            port = number
            end = colon
        }
        return (try serialized(authority[..<end].lowercased()), port)
    }

    private static func serialized(_ host: String) throws(OriginError) -> String {
        if host.hasPrefix("["), host.hasSuffix("]") {
            var address = in6_addr()
            guard inet_pton(AF_INET6, String(host.dropFirst().dropLast()), &address) == 1 else { throw .host }
            return "[" + withUnsafeBytes(of: &address) { compressed($0) } + "]"
        }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        // One dot at the end is legal.
        let isWhole = labels.dropLast(labels.last == "" ? 1 : 0).allSatisfy { !$0.isEmpty }
        guard !host.isEmpty, isWhole, labels[0] != "", host.utf8.allSatisfy(isHostByte) else { throw .host }
        if host.contains("*") { throw .pattern }
        // A host that ends in a number is an IPv4 address (WHATWG URL, "ends in a number checker"), which browsers
        // write as four decimal numbers.
        let last = labels.last == "" ? labels.dropLast().last : labels.last
        if let last, last.utf8.allSatisfy({ (0x30...0x39).contains($0) }) || last.hasPrefix("0x") {
            var address = in_addr()
            guard inet_pton(AF_INET, host, &address) == 1 else { throw .host }
        }
        return host
    }

    /// An IPv6 address with its longest run of zeros compressed (WHATWG URL, "IPv6 serializer"; RFC 5952, section 4).
    private static func compressed(_ bytes: UnsafeRawBufferPointer) -> String {
        let pieces = (0..<8).map { UInt16(bytes[2 * $0]) << 8 | UInt16(bytes[2 * $0 + 1]) }
        var longest = 0..<0
        var index = 0
        while index < 8 {
            let end = pieces[index...].firstIndex { $0 != 0 } ?? 8
            if end - index > max(longest.count, 1) { longest = index..<end }
            index = max(end, index + 1)
        }
        func joined(_ range: Range<Int>) -> String {
            pieces[range].map { String($0, radix: 16) }.joined(separator: ":")
        }
        return longest.isEmpty ? joined(0..<8) : joined(0..<longest.lowerBound) + "::" + joined(longest.upperBound..<8)
    }

    /// RFC 3986, section 3.1.
    private static func isScheme(_ text: String) -> Bool {
        guard let first = text.utf8.first, (0x61...0x7a).contains(first) else { return false }
        return text.utf8.allSatisfy {
            (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || "+-.".utf8.contains($0)
        }
    }

    /// All but the forbidden domain code points (WHATWG URL, "forbidden domain code point").
    private static func isHostByte(_ byte: UInt8) -> Bool {
        (0x21...0x7e).contains(byte) && !"#/:<>?@[\\]^|%\"".utf8.contains(byte)
    }
}

/// Why a text is no origin.
package enum OriginError: Error, Equatable, CustomStringConvertible {
    case noScheme, userInformation, path, notASCII, port, host, pattern

    package var description: String {
        switch self {
        case .noScheme: "it must begin with a scheme, such as https://"
        case .userInformation: "an origin has no user name"
        case .path: "an origin has nothing after its host and port, not even a slash"
        case .notASCII: "browsers send the name in ASCII (Punycode), as xn--..."
        case .port: "its port must be a number from 0 to 65535"
        case .host: "its host is not valid"
        case .pattern: "patterns are not supported; name each origin, or * for all"
        }
    }
}
