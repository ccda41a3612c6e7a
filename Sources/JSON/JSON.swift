/// A JSON value (RFC 8259) to be written.
package indirect enum JSON: CustomStringConvertible {
    case string(String?)
    case number(UInt64?)
    case bool(Bool)
    case array([JSON])
    case object([(name: String, value: JSON)])

    package var description: String {
        switch self {
        case .string(let text): text.map(JSON.quoted) ?? "null"
        case .number(let number): number.map(String.init) ?? "null"
        case .bool(let value): value ? "true" : "false"
        case .array(let values): "[" + values.map(\.description).joined(separator: ", ") + "]"
        case .object(let members):
            "{" + members.map { "\(JSON.quoted($0.name)): \($0.value)" }.joined(separator: ", ") + "}"
        }
    }

    /// A string in quotes. Besides the characters that RFC 8259, section 7, wants escaped, it escapes those that a
    /// terminal obeys (DEL, the C1 controls, and the ones that change the direction of writing) and the two line ends
    /// that only JavaScript knows.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _
            where scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
                || (0x2028...0x2029).contains(scalar.value) || scalar.properties.isBidiControl:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
