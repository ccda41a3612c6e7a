import Glibc

/// Where an engine is reached: `https://s3.eu-central-1.amazonaws.com`, `http://127.0.0.1:8333`.
package struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// How a request names its bucket.
    package enum Style: String, CaseIterable, Sendable {
        /// In the path: `https://host/bucket/key`.
        case path
        /// In the host: `https://bucket.host/key`.
        case host
    }

    package let isSecure: Bool
    /// In lower case. An IPv6 address has its brackets.
    package let host: String
    /// Nil for the scheme's own.
    let port: UInt16?

    /// Nil unless the text is an `http` or `https` URL with a host, perhaps a port, and nothing else.
    package init?(_ text: String) {
        let lower = text.lowercased()
        guard let scheme = ["https", "http"].first(where: { lower.hasPrefix("\($0)://") }) else { return nil }
        isSecure = scheme == "https"
        var rest = lower.dropFirst(scheme.count + 3)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        // A colon inside of brackets belongs to an IPv6 address.
        let bracket = rest.lastIndex(of: "]") ?? rest.startIndex
        if let colon = rest[bracket...].lastIndex(of: ":") {
            guard let number = UInt16(rest[rest.index(after: colon)...]), number > 0 else { return nil }
            port = number == (isSecure ? 443 : 80) ? nil : number
            rest = rest[..<colon]
        } else {
            port = nil
        }
        host = String(rest)
        let isAddress = host.hasPrefix("[") && host.hasSuffix("]")
        let name = isAddress ? host.dropFirst().dropLast() : rest
        let marks: [UInt8] = Array((isAddress ? ".:" : ".-_").utf8)
        guard !name.isEmpty, name.utf8.count <= 253,
            name.utf8.allSatisfy({ isLetterOrDigit($0) || marks.contains($0) })
        else { return nil }
    }

    /// The endpoint of a service of AWS in a region.
    package static func aws(service: String = "s3", region: String) -> Endpoint? {
        Endpoint("https://\(service).\(region).amazonaws.com\(region.hasPrefix("cn-") ? ".cn" : "")")
    }

    package var description: String { "\(isSecure ? "https" : "http")://\(authority)" }

    /// The value of the `Host` header.
    var authority: String { port.map { "\(host):\($0)" } ?? host }

    /// True if no other machine can listen on the way.
    package var isLoopback: Bool {
        switch address {
        case .some(let bytes) where bytes.count == 4: bytes[0] == 127
        case .some(let bytes): bytes == [UInt8](repeating: 0, count: 15) + [1]
        case nil: host == "localhost"
        }
    }

    /// The 4 or 16 bytes of an IP address; nil if the host is a name.
    var address: [UInt8]? {
        let isIPv6 = host.hasPrefix("[")
        var bytes = [UInt8](repeating: 0, count: isIPv6 ? 16 : 4)
        let text = isIPv6 ? String(host.dropFirst().dropLast()) : host
        return inet_pton(isIPv6 ? AF_INET6 : AF_INET, text, &bytes) == 1 ? bytes : nil
    }

    /// How requests for a bucket are written unless an operator says so. AWS wants the bucket in the host. Its
    /// certificates do not cover names with dots in them.
    package func usualStyle(for bucket: String) -> Style {
        [".amazonaws.com", ".amazonaws.com.cn"].contains(where: host.hasSuffix) && !bucket.contains(".") ? .host : .path
    }
}

func isLetterOrDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
    default: false
    }
}
