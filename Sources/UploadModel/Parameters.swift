/// The parameters of one request, by name: from the query string, from multipart fields, or from both.
///
/// Fields win over the query. Within one of the two places a name may stand again only with the same value.
public struct Parameters: Sendable {
    /// Where a parameter stood.
    public enum Place: Sendable { case query, fields }

    private var query: [String: String] = [:]
    private var fields: [String: String] = [:]
    private let limits: ParameterLimits
    private var bytes = 0

    /// No parameters yet.
    public init(limits: ParameterLimits) {
        self.limits = limits
    }

    /// Adds a parameter.
    ///
    /// - Throws: `ParameterError.repeated`, or `.tooMany` if a limit is passed.
    public mutating func add(_ name: String, _ value: String, from place: Place) throws(ParameterError) {
        bytes += name.utf8.count + value.utf8.count
        guard bytes <= limits.bytes, query.count + fields.count < limits.count else { throw .tooMany }
        let former =
            switch place {
            case .query: query.updateValue(value, forKey: name)
            case .fields: fields.updateValue(value, forKey: name)
            }
        // By bytes: what Unicode calls equivalent names other files.
        if let former, !former.utf8.elementsEqual(value.utf8) { throw .repeated(name) }
    }

    /// The value of that name, which may be empty.
    public subscript(name: String) -> String? { fields[name] ?? query[name] }

    /// The names of all, in no order.
    var names: Set<String> { Set(query.keys).union(fields.keys) }

    /// All of them, in no order.
    var all: [Metadata.Pair] {
        fields.merging(query) { field, _ in field }.map { Metadata.Pair(name: $0.key, value: $0.value) }
    }

    /// Only what stood in fields.
    public var fieldsOnly: Parameters {
        var copy = self
        copy.query = [:]
        return copy
    }
}

/// How much a client may say beside its bytes.
public struct ParameterLimits: Sendable {
    /// How many parameters a request may have, query and fields together. 1 and up.
    public var count: Int
    /// How many bytes their names and values may have together. 1 and up.
    public var bytes: Int

    /// The limits; the defaults leave ten times the room that known clients need.
    public init(count: Int = 128, bytes: Int = 64 << 10) {
        self.count = count
        self.bytes = bytes
    }
}
