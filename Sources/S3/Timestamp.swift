import CCurl
import Glibc

/// Times in the formats of S3. They are Unix seconds here.
enum Timestamp {
    /// ISO 8601 without separators, as signatures have it: `20130524T000000Z`.
    static func compact(_ seconds: UInt64) -> String {
        var time = time_t(clamping: seconds)
        var parts = tm()
        gmtime_r(&time, &parts)
        func padded(_ number: Int32, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = padded(parts.tm_year + 1900, 4) + padded(parts.tm_mon + 1, 2) + padded(parts.tm_mday, 2)
        return date + "T" + padded(parts.tm_hour, 2) + padded(parts.tm_min, 2) + padded(parts.tm_sec, 2) + "Z"
    }

    /// A time of a listing: `2009-10-12T17:50:30.000Z`. Fractions of a second are cut off.
    static func parseISO(_ text: String) -> UInt64? {
        let shape = "dddd-dd-ddTdd:dd:dd"
        let start = text.prefix(shape.count)
        let fraction = text.dropFirst(shape.count).dropLast()
        guard start.count == shape.count, text.hasSuffix("Z"), fraction.isEmpty || fraction.hasPrefix("."),
            fraction.dropFirst().allSatisfy(isDigit),
            zip(start, shape).allSatisfy({ $1 == "d" ? isDigit($0) : $0 == $1 })
        else { return nil }
        let numbers = start.split(whereSeparator: { !isDigit($0) }).compactMap { Int32($0) }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (numbers[0] - 1900, numbers[1] - 1, numbers[2])
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (numbers[3], numbers[4], numbers[5])
        return UInt64(exactly: timegm(&parts))
    }

    private static func isDigit(_ character: Character) -> Bool { ("0"..."9").contains(character) }

    /// The value of a `Date` or `Last-Modified` header (RFC 9110, section 5.6.7): `Fri, 24 May 2013 00:00:00 GMT`.
    static func parseHTTP(_ text: String) -> UInt64? { UInt64(exactly: curl_getdate(text, nil)) }
}
