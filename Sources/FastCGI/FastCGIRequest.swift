import CFastCGI
import Glibc
import HTTP

extension Request {
    /// The request that CGI's meta-variables describe (RFC 3875, section 4.1). The web server sets all of them.
    /// `DOCUMENT_URI` is nginx's decoded path without the query.
    init(parameters: FCGX_ParamArray?) {
        func parameter(_ name: String) -> String? {
            guard let value = FCGX_GetParam(name, parameters) else { return nil }
            return String(decoding: UnsafeRawBufferPointer(start: value, count: strlen(value)), as: UTF8.self)
        }
        func filled(_ name: String) -> String? {
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
            requestID: parameter("REQUEST_ID") ?? "")
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
