import Linux

/// Signs requests as AWS Signature Version 4 defines it, with the signature in the `Authorization` header.
///
/// libcurl can sign requests itself, but its release in Debian 12 gets queries such as `?uploads`, unsorted queries and
/// keys with spaces wrong.
final class Signer: Sendable {
    /// Stands for the hash of a body that the signature does not cover.
    static let unsignedPayload = "UNSIGNED-PAYLOAD"

    private let region: String
    private let service: String
    /// The key of the last day and secret that were asked for. All requests of a day and a region have the same, until
    /// there are other credentials.
    private let key = Lock<(day: Substring, secret: String, bytes: [UInt8])>(("", "", []))

    init(region: String, service: String = "s3") {
        self.region = region
        self.service = service
    }

    /// The headers that every request needs besides the signature.
    ///
    /// - Parameters:
    ///   - hash: the SHA-256 of the body in hexadecimal, or `unsignedPayload`.
    ///   - time: Unix seconds.
    func headers(_ credentials: Credentials, hash: String, time: UInt64) -> [Header] {
        var headers = [
            Header("x-amz-content-sha256", hash), Header("x-amz-date", Timestamp.compact(time)),
        ]
        if let token = credentials.sessionToken { headers.append(Header("x-amz-security-token", token)) }
        return headers
    }

    /// The value of `Authorization`.
    ///
    /// - Parameters:
    ///   - path: percent-encoded.
    ///   - query: percent-encoded and sorted, as by `query(_:)`.
    ///   - headers: all of them are signed, so `host` and `x-amz-date` must be there. Their names are in lower case.
    ///   - hash: as for `headers(_:hash:time:)`.
    func authorization(
        _ credentials: Credentials, _ method: String, path: String, query: String, headers: [Header], hash: String,
        time: UInt64
    ) -> String {
        let sorted = headers.sorted { $0.name < $1.name }
        let names = sorted.map(\.name).joined(separator: ";")
        let lines = sorted.map { "\($0.name):\($0.value.trimmed)\n" }.joined()
        let canonical = [method, path, query, lines, names, hash].joined(separator: "\n")
        let now = Timestamp.compact(time)
        let day = now.prefix(8)
        let scope = "\(day)/\(region)/\(service)/aws4_request"
        let text = "AWS4-HMAC-SHA256\n\(now)\n\(scope)\n\(sha256(Array(canonical.utf8)).hexDigits)"
        let signature = hmac(key(of: day, credentials.secretKey), text).hexDigits
        return "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope), SignedHeaders=\(names), "
            + "Signature=\(signature)"
    }

    /// A query in the form that is signed and sent.
    static func query(_ parameters: [(name: String, value: String)]) -> String {
        let encoded = parameters.map { (percentEncoded($0.name), percentEncoded($0.value)) }
        return encoded.sorted { $0 < $1 }.map { "\($0.0)=\($0.1)" }.joined(separator: "&")
    }

    /// The signing key of a day, as `20130524`.
    func key(of day: Substring, _ secret: String) -> [UInt8] {
        key.withLock { cached in
            if cached.day != day || cached.secret != secret {
                let start = Array("AWS4\(secret)".utf8)
                cached = (day, secret, [String(day), region, service, "aws4_request"].reduce(start, hmac))
            }
            return cached.bytes
        }
    }
}
