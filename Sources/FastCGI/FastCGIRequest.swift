import CFastCGI
import Glibc
import HTTP

extension Request {
    /// The request that CGI's meta-variables describe (RFC 3875, section 4.1). The web server sets all of them.
    /// `DOCUMENT_URI` is nginx's decoded path without the query.
    init(parameters: FCGX_ParamArray?) {
        let variables = MetaVariables(parameters)
        func parameter(_ name: StaticString) -> String? { variables.value(of: name) }
        func filled(_ name: StaticString) -> String? {
            parameter(name).flatMap { $0.isEmpty ? nil : $0 }
        }
        self.init(
            method: Method(parameter("REQUEST_METHOD") ?? ""),
            path: filled("DOCUMENT_URI") ?? filled("SCRIPT_NAME") ?? "",
            query: parameter("QUERY_STRING") ?? "",
            contentType: filled("CONTENT_TYPE"),
            contentEncoding: filled("HTTP_CONTENT_ENCODING"),
            contentLength: filled("CONTENT_LENGTH").flatMap { UInt64($0) },
            accept: filled("HTTP_ACCEPT"),
            contentDigest: filled("HTTP_CONTENT_DIGEST"),
            authorization: filled("HTTP_AUTHORIZATION"),
            host: filled("HTTP_HOST"),
            origin: filled("HTTP_ORIGIN"),
            fetchSite: filled("HTTP_SEC_FETCH_SITE"),
            requestedHeaders: filled("HTTP_ACCESS_CONTROL_REQUEST_HEADERS"),
            remoteAddress: parameter("REMOTE_ADDR") ?? "",
            bodyLimit: filled("CLIENT_MAX_BODY_SIZE"),
            requestID: parameter("REQUEST_ID") ?? "")
    }
}

/// The meta-variables of a request. libfcgi's `FCGX_GetParam` compares a name with each of them from its first byte,
/// which took a twentieth of the processor time for a test of a chunk.
private struct MetaVariables {
    private struct Variable {
        /// The name, an equals sign and the value, which ends with a zero.
        let text: UnsafePointer<CChar>
        let nameLength: Int
    }

    private var variables: [Variable] = []

    init(_ parameters: FCGX_ParamArray?) {
        guard var next = parameters else { return }
        variables.reserveCapacity(32)
        while let text = next.pointee {
            if let equals = strchr(text, Int32(UInt8(ascii: "="))) {
                variables.append(Variable(text: text, nameLength: equals - text))
            }
            next += 1
        }
    }

    /// The first value of that name.
    func value(of name: StaticString) -> String? {
        let length = name.utf8CodeUnitCount
        let variable = variables.first { $0.nameLength == length && memcmp($0.text, name.utf8Start, length) == 0 }
        guard let value = variable.map({ $0.text + length + 1 }) else { return nil }
        return String(decoding: UnsafeRawBufferPointer(start: value, count: strlen(value)), as: UTF8.self)
    }
}

extension Response {
    /// Writes the response to a connection, in CGI's form (RFC 3875, section 6).
    ///
    /// - Parameter stream: libfcgi's stream of that connection.
    func write(to stream: UnsafeMutablePointer<FCGX_Stream>, _ connection: Connection, withBody: Bool) {
        var head = "Status: \(status) \(reason)\r\n"
        for header in headers { head += "\(header.name): \(header.value)\r\n" }
        if status != 204 { head += "Content-Length: \(body.count)\r\n" }
        head += "\r\n"
        connection.prepareToSend(head.utf8.count + (withBody ? body.count : 0))
        head.withUTF8 { put(UnsafeRawBufferPointer($0), to: stream) }
        if withBody { body.withUnsafeBytes { put($0, to: stream) } }
    }

    private func put(_ bytes: UnsafeRawBufferPointer, to stream: UnsafeMutablePointer<FCGX_Stream>) {
        _ = FCGX_PutStr(
            bytes.assumingMemoryBound(to: CChar.self).baseAddress, Int32(clamping: bytes.count), stream)
    }
}
