/// A word with parameters: `word; name=value; name="value"`. Content-Type and Content-Disposition both have this form
/// (RFC 2045, section 5.1; RFC 2183, section 2).
///
/// Three deviations are accepted, because clients send them:
/// - Padding around every `;` and `=` (RFC 2045 inherits it from RFC 822), and empty parameters (RFC 9110, section
///   5.6.6).
/// - A value without quotes ends at a semicolon or at padding, whatever characters it has: many clients leave out the
///   quotes around boundaries like `=_Part` and around file names.
/// - In quotes, a backslash escapes only a quote or a backslash. Before any other character it is a backslash: browsers
///   don't escape the backslashes in file names, and old ones send whole paths.
struct ParameterizedValue {
    /// The text before the first semicolon, trimmed.
    var word: ArraySlice<UInt8>
    /// The parameters in order: names in lower case, values without quotes and escapes.
    var parameters: [(name: String, value: [UInt8])] = []

    /// Reads a header's value; nil if it doesn't have this form, names a parameter twice or has more than
    /// `maximumParameters`.
    init?(_ value: ArraySlice<UInt8>, maximumParameters: Int = 16) {
        let bytes = ASCII.trimmed(value)
        let end = bytes.firstIndex(of: ASCII.semicolon) ?? bytes.endIndex
        word = ASCII.trimmed(bytes[..<end])
        var rest = bytes[end...]
        while Self.skipSeparator(&rest) {
            if rest.isEmpty || rest.first == ASCII.semicolon { continue }
            guard let name = Self.takeName(&rest), let value = Self.takeValue(&rest),
                self[name] == nil, parameters.count < maximumParameters
            else { return nil }
            parameters.append((name, value))
        }
        guard rest.isEmpty else { return nil }
    }

    /// The value of the parameter of that name.
    subscript(name: String) -> [UInt8]? {
        parameters.first { $0.name == name }?.value
    }

    private static func skipPadding(_ rest: inout ArraySlice<UInt8>) {
        rest = rest.drop(while: ASCII.isPadding)
    }

    /// Skips a semicolon and the padding around it; false if there is no semicolon.
    private static func skipSeparator(_ rest: inout ArraySlice<UInt8>) -> Bool {
        skipPadding(&rest)
        guard rest.first == ASCII.semicolon else { return false }
        rest.removeFirst()
        skipPadding(&rest)
        return true
    }

    /// Takes `name =` with the padding after both.
    private static func takeName(_ rest: inout ArraySlice<UInt8>) -> String? {
        guard let name = ASCII.lowercasedToken(rest.prefix(while: ASCII.isToken)) else { return nil }
        rest = rest.dropFirst(name.utf8.count)
        skipPadding(&rest)
        guard rest.popFirst() == ASCII.equals else { return nil }
        skipPadding(&rest)
        return name
    }

    private static func takeValue(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
        guard rest.first == ASCII.quote else {
            let value = rest.prefix { $0 != ASCII.semicolon && !ASCII.isPadding($0) }
            rest = rest[value.endIndex...]
            return value.isEmpty || value.contains(ASCII.quote) ? nil : Array(value)
        }
        rest.removeFirst()
        return takeQuoted(&rest)
    }

    /// Takes the rest of a quoted string, closing quote included.
    private static func takeQuoted(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
        let special = rest.firstIndex { $0 == ASCII.quote || $0 == ASCII.backslash }
        guard let special else { return nil }
        var value = Array(rest[..<special])
        rest = rest[special...]
        while let byte = rest.popFirst() {
            switch (byte, rest.first) {
            case (ASCII.quote, _):
                return value
            case (ASCII.backslash, ASCII.quote) where rest.count == 1:
                // A browser's file name that ends in a backslash. As an escape it would leave the string open at the
                // end of the header, so no valid value is read differently.
                rest.removeFirst()
                return value + [ASCII.backslash]
            case (ASCII.backslash, let next?) where next == ASCII.quote || next == ASCII.backslash:
                rest.removeFirst()
                value.append(next)
            default:
                value.append(byte)
            }
        }
        return nil
    }
}
