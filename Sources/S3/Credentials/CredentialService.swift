import JSON
import Linux

/// A service that gives credentials to programs over HTTP. An answer may have 64 KiB. Errors have its status and a code
/// such as `AccessDenied`, and nothing else of it.
struct CredentialService: Sendable, CustomStringConvertible {
    /// The kind of service, such as `the metadata service`.
    let name: String
    let endpoint: Endpoint
    /// The path of a file with the certificate authorities to trust; nil: the system's.
    var certificates: String?
    /// Whether requests may go through the proxy that the environment names. A service of this machine or container is
    /// behind no proxy, and must not tell one its secrets.
    var usesProxy = false
    /// `connect` is the time until there is a connection, and `call` that for a request. In milliseconds.
    var limits = CredentialService.local

    var description: String { "\(name) at \(endpoint)" }

    static let longestAnswer = 64 << 10
    /// How often a request is made, if it fails in a way that may pass.
    static let tries = 2

    /// For a service of this machine: where there is none, packets are often dropped without an answer, so that only
    /// the time tells.
    static let local = limits(connect: 1_000, call: 3_000)
    static let remote = limits(connect: 4_000, call: 8_000)

    private static func limits(connect: Int, call: Int) -> TimeLimits {
        var limits = TimeLimits()
        (limits.connect, limits.silence, limits.call) = (connect, call, call)
        return limits
    }

    func error(_ reason: String) -> CredentialsError { .failed(service: description, reason: reason) }

    /// Makes a request.
    ///
    /// - Parameters:
    ///   - path: the path and the query, percent-encoded.
    ///   - reasons: what a status means, where it is more than the status tells.
    /// - Returns: the body of an answer with a status of the 200s.
    func request(
        _ method: String, _ path: String, _ headers: [Header] = [], body: [UInt8]? = nil, reasons: [Int: String] = [:]
    ) throws(CredentialsError) -> [UInt8] {
        let exchange = Exchange(
            method: method, url: "\(endpoint)\(path)", headers: headers, payload: body,
            bodyLimit: CredentialService.longestAnswer, usesProxy: usesProxy)
        var tries = 1
        while true {
            let failure: (reason: String, mayPass: Bool)
            do throws(ExchangeError) {
                guard let connection = Connection() else { throw .failed("no memory") }
                let answer = try connection.perform(
                    exchange, limits: limits, certificates: certificates, within: UInt64(limits.call))
                if (200..<300).contains(answer.status) { return answer.body }
                failure = CredentialService.failure(answer, reasons)
            } catch {
                failure = CredentialService.failure(error)
            }
            guard failure.mayPass, tries < CredentialService.tries else { throw self.error(failure.reason) }
            Backoff.sleep(milliseconds: Backoff.milliseconds(after: tries, asked: nil, random: .random(in: 0...1)))
            tries += 1
        }
    }

    private static func failure(_ error: ExchangeError) -> (String, Bool) {
        switch error {
        case .failed(let reason): (printable(reason), true)
        case .tooLong: ("its answer has more than \(longestAnswer) bytes", false)
        case .payload, .sink: ("the request cannot be made", false)
        }
    }

    private static func failure(_ answer: Answer, _ reasons: [Int: String]) -> (String, Bool) {
        let code = code(of: answer.body)
        var reason = "it answered \(answer.status)"
        if let code { reason += " \(code)" }
        if let more = reasons[answer.status] { reason += ", \(more)" }
        // The token service could not reach the one that has made the web identity.
        let mayPass = answer.status >= 500 || [408, 429].contains(answer.status) || code == "IDPCommunicationError"
        return (reason, mayPass)
    }

    /// The code in an error in JSON or XML. Anything that does not look like one is left out, since it might be a part
    /// of a secret.
    private static func code(of body: [UInt8]) -> String? {
        let json = body.withBytes { JSONValue(object: $0) }
        let code = (json?["code"] ?? json?["Code"])?.string ?? XMLElement.parse(body)?.first("Error")?["Code"]
        return code.flatMap { isCode($0) ? $0 : nil }
    }

    /// True if a text is one word of letters.
    static func isCode(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) }
    }
}
