import Linux
import S3
import UploadStore

/// Names and values in the body of a small object: a line for each, the name, a space, and the percent-encoded value.
/// A name may occur more than once. The text is for programs, and an operator can read it.
struct Fields: Equatable {
    private(set) var pairs: [(name: String, value: String)] = []

    init() {}

    /// Reads a body; nil if it is none.
    init?(_ body: [UInt8]) {
        guard let text = String(validating: body, as: UTF8.self) else { return nil }
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
            guard words.count == 2, let value = PercentEncoding.decode(String(words[1])) else { return nil }
            pairs.append((String(words[0]), value))
        }
    }

    var body: [UInt8] { Array(pairs.map { "\($0.name) \(percentEncoded($0.value))\n" }.joined().utf8) }

    /// The first value of a name. Setting adds one; nil adds nothing.
    subscript(name: String) -> String? {
        get { pairs.first { $0.name == name }?.value }
        set { if let newValue { pairs.append((name, newValue)) } }
    }

    /// The first value of a name as a decimal number.
    func number(_ name: String) -> UInt64? { self[name].flatMap { UInt64($0) } }

    static func == (one: Fields, other: Fields) -> Bool {
        one.pairs.elementsEqual(other.pairs) { $0.name == $1.name && $0.value.utf8.elementsEqual($1.value.utf8) }
    }
}

/// Returns what was read from an object.
///
/// - Parameter value: nil if its body is not in the form that the store writes.
/// - Throws: `StoreError.failed` for nil.
func understood<Value>(_ value: Value?, _ key: String) throws(StoreError) -> Value {
    guard let value else { throw .failed(StoreCause("\(key) cannot be understood")) }
    return value
}
