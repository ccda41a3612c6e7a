import CCurl
import Glibc

/// A handle of libcurl, which keeps its connection to the engine open between exchanges. Used by one thread at a time.
final class Connection: @unchecked Sendable {
    private let handle: UnsafeMutableRawPointer

    /// libcurl must be initialised before the first handle. The runtime runs this once, whatever the number of threads.
    private static let isInitialised = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    /// Nil without memory.
    init?() {
        guard Connection.isInitialised, let handle = curl_easy_init() else { return nil }
        self.handle = handle
    }

    deinit { curl_easy_cleanup(handle) }

    /// The state of an exchange: the bytes sent and received so far. libcurl's callbacks find it by a pointer.
    private final class Progress {
        let exchange: Exchange
        let handle: UnsafeMutableRawPointer
        var sent: UInt64 = 0
        var received: UInt64 = 0
        var headerBytes = 0
        var answer = Answer()
        var failure: ExchangeError?

        /// The most that an answer's head may have, in bytes.
        static let headLimit = 64 << 10
        /// How much of the body of an error is kept, in bytes.
        static let errorLimit = 64 << 10

        init(_ exchange: Exchange, _ handle: UnsafeMutableRawPointer) {
            self.exchange = exchange
            self.handle = handle
        }

        func fill(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
            guard let payload = exchange.payload, sent < payload.length, buffer.count > 0 else { return 0 }
            let wanted = min(buffer.count, Int(clamping: payload.length - sent))
            do throws(PayloadError) {
                let count = try payload.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: sent)
                guard (1...wanted).contains(count) else { throw PayloadError("it is shorter than announced") }
                sent += UInt64(count)
                return count
            } catch {
                failure = .payload(error)
                return ccurl_read_abort
            }
        }

        func take(line: UnsafeRawBufferPointer) -> Bool {
            headerBytes += line.count
            guard headerBytes <= Progress.headLimit else { return false }
            let text = String(decoding: line, as: UTF8.self)
            // The head of an interim answer, such as 100, is not that of the answer.
            if text.hasPrefix("HTTP/") { answer.headers = [] }
            if let colon = text.firstIndex(of: ":") {
                let value = String(text[text.index(after: colon)...].trimmed)
                answer.headers.append(Header(text[..<colon].lowercased(), value))
            }
            return true
        }

        func take(body: UnsafeRawBufferPointer) -> Bool {
            guard (200..<300).contains(Int(ccurl_status(handle))) else {
                // An error's start is enough to know it.
                answer.body += body.prefix(max(0, Progress.errorLimit - answer.body.count))
                return true
            }
            if let sink = exchange.sink {
                guard sink(received, body) else {
                    failure = .sink
                    return false
                }
            } else {
                guard answer.body.count + body.count <= exchange.bodyLimit else {
                    failure = .tooLong
                    return false
                }
                answer.body += body
            }
            received += UInt64(body.count)
            return true
        }
    }

    /// Sends a request and reads the answer to its end.
    ///
    /// - Parameters:
    ///   - certificates: the path of a file with the certificate authorities to trust; nil: the system's.
    ///   - milliseconds: for all of it.
    func perform(
        _ exchange: Exchange, limits: TimeLimits, certificates: String?, within milliseconds: UInt64
    ) throws(ExchangeError) -> Answer {
        // A line break in a value would begin another header.
        guard exchange.headers.allSatisfy({ !$0.value.utf8.contains { $0 < 0x20 || $0 == 0x7f } }) else {
            throw .failed("a header has a control character")
        }
        // This keeps the connection.
        curl_easy_reset(handle)
        var list: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(list) }
        // Names without a value remove headers that libcurl adds. With "Expect" it would wait for a 100.
        let lines = exchange.headers.map { "\($0.name): \($0.value)" }
        for line in lines + ["Expect:", "Accept:"] {
            guard let longer = curl_slist_append(list, line) else { throw .failed("no memory") }
            list = longer
        }
        let progress = Progress(exchange, handle)
        var words = [CChar](repeating: 0, count: Int(CURL_ERROR_SIZE))
        let code = words.withUnsafeMutableBufferPointer { words in
            configure(exchange, list, Unmanaged.passUnretained(progress).toOpaque(), words)
            setTimes(limits, milliseconds)
            if let certificates { ccurl_set_text(handle, CURLOPT_CAINFO, certificates) }
            return curl_easy_perform(handle)
        }
        return try withExtendedLifetime(progress) { () throws(ExchangeError) in
            if let failure = progress.failure { throw failure }
            guard code == CURLE_OK else {
                let text = String(decoding: words.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
                throw .failed(text.isEmpty ? String(cString: curl_easy_strerror(code)) : text)
            }
            progress.answer.status = Int(ccurl_status(handle))
            return progress.answer
        }
    }

    private func setTimes(_ limits: TimeLimits, _ milliseconds: UInt64) {
        // Otherwise libcurl limits the time of name resolution with a signal, which is unsafe with threads.
        ccurl_set_number(handle, CURLOPT_NOSIGNAL, 1)
        ccurl_set_number(handle, CURLOPT_CONNECTTIMEOUT_MS, limits.connect)
        ccurl_set_number(handle, CURLOPT_TIMEOUT_MS, Int(clamping: max(1, milliseconds)))
        ccurl_set_number(handle, CURLOPT_LOW_SPEED_LIMIT, 1024)
        ccurl_set_number(handle, CURLOPT_LOW_SPEED_TIME, max(1, limits.silence / 1000))
    }

    private func configure(
        _ exchange: Exchange, _ list: UnsafeMutablePointer<curl_slist>?, _ user: UnsafeMutableRawPointer,
        _ words: UnsafeMutableBufferPointer<CChar>
    ) {
        ccurl_set_pointer(handle, CURLOPT_ERRORBUFFER, words.baseAddress)
        ccurl_set_text(handle, CURLOPT_URL, exchange.url)
        if !exchange.usesProxy { ccurl_set_text(handle, CURLOPT_PROXY, "") }
        // The signature covers the path as it is.
        ccurl_set_number(handle, CURLOPT_PATH_AS_IS, 1)
        ccurl_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https")
        ccurl_set_number(handle, CURLOPT_FOLLOWLOCATION, 0)
        ccurl_set_number(handle, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        ccurl_set_pointer(handle, CURLOPT_HTTPHEADER, list)
        ccurl_set_text(handle, CURLOPT_USERAGENT, "resumabled")
        setMethod(exchange, user)
        ccurl_set_pointer(handle, CURLOPT_HEADERDATA, user)
        ccurl_set_header_writer(handle) { bytes, size, count, user in
            guard let bytes, let user else { return 0 }
            let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
            return Unmanaged<Progress>.fromOpaque(user).takeUnretainedValue().take(line: line) ? line.count : 0
        }
        ccurl_set_pointer(handle, CURLOPT_WRITEDATA, user)
        ccurl_set_writer(handle) { bytes, size, count, user in
            guard let bytes, let user else { return 0 }
            let body = UnsafeRawBufferPointer(start: bytes, count: size * count)
            return Unmanaged<Progress>.fromOpaque(user).takeUnretainedValue().take(body: body) ? body.count : 0
        }
    }

    private func setMethod(_ exchange: Exchange, _ user: UnsafeMutableRawPointer) {
        guard let payload = exchange.payload else {
            if exchange.method == "HEAD" {
                ccurl_set_number(handle, CURLOPT_NOBODY, 1)
            } else {
                ccurl_set_text(handle, CURLOPT_CUSTOMREQUEST, exchange.method)
            }
            return
        }
        ccurl_set_number(handle, CURLOPT_UPLOAD, 1)
        ccurl_set_text(handle, CURLOPT_CUSTOMREQUEST, exchange.method)
        ccurl_set_size(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(clamping: payload.length))
        // More than this saves no processor time, and each thread's heap keeps the buffer. libcurl's default is 64 KiB.
        if payload.length > 64 << 10 { ccurl_set_number(handle, CURLOPT_UPLOAD_BUFFERSIZE, 128 << 10) }
        ccurl_set_pointer(handle, CURLOPT_READDATA, user)
        ccurl_set_reader(handle) { bytes, size, count, user in
            guard let bytes, let user else { return ccurl_read_abort }
            let buffer = UnsafeMutableRawBufferPointer(start: bytes, count: size * count)
            return Unmanaged<Progress>.fromOpaque(user).takeUnretainedValue().fill(buffer)
        }
        // libcurl sends a body again if the engine has closed a kept connection in the meantime.
        ccurl_set_pointer(handle, CURLOPT_SEEKDATA, user)
        ccurl_set_seeker(handle) { user, offset, origin in
            guard let user, origin == SEEK_SET, offset >= 0 else { return CURL_SEEKFUNC_CANTSEEK }
            Unmanaged<Progress>.fromOpaque(user).takeUnretainedValue().sent = UInt64(offset)
            return CURL_SEEKFUNC_OK
        }
    }
}
