import CCurl
import Glibc

/// One POST with libcurl. It follows no redirect, uses HTTP and HTTPS only, and has a time limit.
struct HTTPPost {
    /// How many bytes of a response are read.
    private static let answerLimit = 4096

    struct Answer: Sendable {
        /// The status code.
        var status: Int
        /// The start of the body, if it is plain text.
        var text: String?
        /// The response's `Retry-After` in seconds, if it has one.
        var retryAfter: UInt64?
    }

    enum Failure: Error {
        /// There was no response; the text says why.
        case unreachable(String)
        case stopped
    }

    /// Initialises libcurl. To be called once, before any thread sends a request.
    static func setUp() { curl_global_init(Int(CURL_GLOBAL_DEFAULT)) }

    let url: String
    let headers: [(name: String, value: String)]
    let body: [UInt8]
    let seconds: Int

    private final class Receiving {
        var bytes: [UInt8] = []
        let stop: StopFlag?

        init(_ stop: StopFlag?) { self.stop = stop }
    }

    func send(stop: StopFlag?) throws(Failure) -> Answer {
        guard let handle = curl_easy_init() else { throw .unreachable("no memory") }
        defer { curl_easy_cleanup(handle) }
        var list: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(list) }
        // Without an empty "Expect", libcurl would wait for a 100 that many servers don't send.
        for header in headers.map({ "\($0.name): \($0.value)" }) + ["Expect:"] {
            guard let longer = curl_slist_append(list, header) else { throw .unreachable("no memory") }
            list = longer
        }
        let receiving = Receiving(stop)
        let user = Unmanaged.passUnretained(receiving).toOpaque()
        var words = [CChar](repeating: 0, count: Int(CURL_ERROR_SIZE))
        let code = words.withUnsafeMutableBufferPointer { words in
            body.withUnsafeBytes { body in
                configure(handle, list, body, user, words)
                return curl_easy_perform(handle)
            }
        }
        return try withExtendedLifetime(receiving) { () throws(Failure) in
            // The write callback aborts a response that exceeds the limit.
            let isCut = code == CURLE_WRITE_ERROR && receiving.bytes.count >= HTTPPost.answerLimit
            if code == CURLE_ABORTED_BY_CALLBACK { throw .stopped }
            guard code == CURLE_OK || isCut else {
                let text = String(decoding: words.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
                throw .unreachable(text.isEmpty ? String(cString: curl_easy_strerror(code)) : text)
            }
            let type = ccurl_content_type(handle).map { String(cString: $0).lowercased() }
            let isText = type?.hasPrefix("text/plain") == true
            let retryAfter = ccurl_retry_after(handle)
            return Answer(
                status: Int(ccurl_status(handle)),
                text: isText ? String(decoding: receiving.bytes.prefix(HTTPPost.answerLimit), as: UTF8.self) : nil,
                retryAfter: retryAfter > 0 ? UInt64(retryAfter) : nil)
        }
    }

    private func configure(
        _ handle: UnsafeMutableRawPointer, _ list: UnsafeMutablePointer<curl_slist>?, _ body: UnsafeRawBufferPointer,
        _ user: UnsafeMutableRawPointer, _ words: UnsafeMutableBufferPointer<CChar>
    ) {
        ccurl_set_pointer(handle, CURLOPT_ERRORBUFFER, words.baseAddress)
        ccurl_set_text(handle, CURLOPT_URL, url)
        ccurl_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https")
        ccurl_set_number(handle, CURLOPT_FOLLOWLOCATION, 0)
        // Otherwise libcurl limits the time of name resolution with a signal, which is unsafe with threads.
        ccurl_set_number(handle, CURLOPT_NOSIGNAL, 1)
        ccurl_set_number(handle, CURLOPT_TIMEOUT, seconds)
        ccurl_set_number(handle, CURLOPT_CONNECTTIMEOUT, min(seconds, 10))
        ccurl_set_number(handle, CURLOPT_POST, 1)
        ccurl_set_number(handle, CURLOPT_POSTFIELDSIZE, body.count)
        ccurl_set_pointer(handle, CURLOPT_POSTFIELDS, UnsafeMutableRawPointer(mutating: body.baseAddress))
        ccurl_set_pointer(handle, CURLOPT_HTTPHEADER, list)
        ccurl_set_text(handle, CURLOPT_USERAGENT, "resumabled")
        ccurl_set_pointer(handle, CURLOPT_WRITEDATA, user)
        ccurl_set_writer(handle) { bytes, size, count, user in
            guard let bytes, let user else { return 0 }
            let receiving = Unmanaged<Receiving>.fromOpaque(user).takeUnretainedValue()
            guard receiving.bytes.count < HTTPPost.answerLimit else { return 0 }
            receiving.bytes += UnsafeRawBufferPointer(start: bytes, count: size * count)
            return size * count
        }
        ccurl_set_number(handle, CURLOPT_NOPROGRESS, 0)
        ccurl_set_pointer(handle, CURLOPT_XFERINFODATA, user)
        ccurl_set_progress(handle) { user, _, _, _, _ in
            guard let user else { return 0 }
            return Unmanaged<Receiving>.fromOpaque(user).takeUnretainedValue().stop?.isSet == true ? 1 : 0
        }
    }
}
