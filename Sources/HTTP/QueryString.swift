/// `application/x-www-form-urlencoded` (WHATWG URL, section 5.1), the format of parameters in a query string.
package enum QueryString {
    /// One name with its value, both decoded.
    package struct Parameter: Sendable, Equatable {
        package var name: String
        package var value: String
    }

    /// Reads a query string.
    ///
    /// - Parameters:
    ///   - query: the text after the question mark.
    ///   - maximumCount: the most parameters.
    /// - Throws: `QueryError`.
    package static func parse(_ query: String, maximumCount: Int) throws(QueryError) -> [Parameter] {
        var parameters: [Parameter] = []
        // A test of a chunk has ten.
        parameters.reserveCapacity(min(maximumCount, 16))
        // An array is searched faster than the string itself.
        var rest = Array(query.utf8)[...]
        while !rest.isEmpty {
            let pair = rest.prefix { $0 != UInt8(ascii: "&") }
            rest = rest[pair.endIndex...].dropFirst()
            if pair.isEmpty { continue }
            guard parameters.count < maximumCount else { throw .tooManyParameters(limit: maximumCount) }
            let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            let name = try decode(pair[..<equals])
            let value = equals == pair.endIndex ? "" : try decode(pair[(equals + 1)...])
            parameters.append(Parameter(name: name, value: value))
        }
        return parameters
    }

    /// A plus sign is a space. A percent sign without two hexadecimal digits after it is a percent sign.
    private static func decode(_ text: ArraySlice<UInt8>) throws(QueryError) -> String {
        // Most names and values have nothing to decode.
        guard text.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else {
            return String(decoding: text, as: UTF8.self)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var rest = text
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"):
                bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                let digits = rest.prefix(2)
                if digits.count == 2, let high = hexadecimal(digits.first), let low = hexadecimal(digits.last) {
                    bytes.append(high << 4 | low)
                    rest = rest.dropFirst(2)
                } else {
                    bytes.append(byte)
                }
            default:
                bytes.append(byte)
            }
        }
        guard let string = String(validating: bytes, as: UTF8.self) else { throw .notUTF8 }
        return string
    }

    private static func hexadecimal(_ digit: UInt8?) -> UInt8? {
        switch digit {
        case let digit? where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit): digit - UInt8(ascii: "0")
        case let digit? where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(digit): digit - UInt8(ascii: "a") + 10
        case let digit? where (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(digit): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// Why a query string could not be read.
package enum QueryError: Error, Equatable {
    case tooManyParameters(limit: Int)
    /// A name or value is not valid UTF-8.
    case notUTF8
}
