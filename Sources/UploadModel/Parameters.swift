/// The parameters of one request, by name: from the query string, from multipart fields, or from both.
///
/// Fields win over the query. Within one of the two places a name may stand again only with the same value. Names and
/// values are compared by bytes: what Unicode calls equivalent is another name, and names another file.
package struct Parameters: Sendable {
    /// Where a parameter stood.
    package enum Place: Sendable { case query, fields }

    // They are few, so looking through all of them costs less than hashing names.
    private var query: [Metadata.Pair] = []
    private var fields: [Metadata.Pair] = []
    private let limits: ParameterLimits
    private var bytes = 0

    /// No parameters yet.
    package init(limits: ParameterLimits) {
        self.limits = limits
    }

    /// Adds a parameter.
    ///
    /// - Throws: `ParameterError.repeated`, or `.tooMany` if a limit is passed.
    package mutating func add(_ name: String, _ value: String, from place: Place) throws(ParameterError) {
        bytes += name.utf8.count + value.utf8.count
        guard bytes <= limits.bytes, query.count + fields.count < limits.count else { throw .tooMany }
        let former =
            switch place {
            case .query: query.value(of: name)
            case .fields: fields.value(of: name)
            }
        if let former {
            guard former.hasBytes(of: value) else { throw .repeated(name) }
            return
        }
        let pair = Metadata.Pair(name: name, value: value)
        switch place {
        case .query: query.append(pair)
        case .fields: fields.append(pair)
        }
    }

    /// The value of that name, which may be empty.
    package subscript(name: String) -> String? { fields.value(of: name) ?? query.value(of: name) }

    /// All of them, each name once, in no particular order.
    var all: [Metadata.Pair] { fields + query.filter { fields.value(of: $0.name) == nil } }

    /// True if of all that the query says about a chunk's place and type there is also a field: then it adds nothing.
    package func fieldsRepeatQuery(for dialect: Dialect) -> Bool {
        query.allSatisfy { pair in
            let isOfChunk = dialect.placing.contains(pair.name) || pair.name.hasBytes(of: dialect.type)
            // It says who sends, not what.
            let isToken = pair.name.hasBytes(of: dialect.token)
            return !isOfChunk || isToken || fields.value(of: pair.name) != nil
        }
    }

    /// Only what stood in fields.
    package var fieldsOnly: Parameters {
        var copy = self
        copy.query = []
        return copy
    }
}

extension [Metadata.Pair] {
    /// The value of that name.
    fileprivate func value(of name: String) -> String? { first { $0.name.hasBytes(of: name) }?.value }
}

extension String {
    /// True for the same text in the same bytes.
    func hasBytes(of other: String) -> Bool { utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8) }

    /// What stands before `suffix`, by bytes: a letter may be one character with what stands before it. Nil if the text
    /// doesn't end so.
    package func prefix(before suffix: String) -> String? {
        let count = suffix.utf8.count
        guard utf8.suffix(count).elementsEqual(suffix.utf8) else { return nil }
        return String(utf8.dropLast(count))
    }
}

/// How much a client may say beside its bytes.
package struct ParameterLimits: Sendable {
    /// How many parameters a request may have, query and fields together. 1 and up.
    package var count: Int
    /// How many bytes their names and values may have together. 1 and up.
    package var bytes: Int

    /// The limits; the defaults leave ten times the room that known clients need.
    package init(count: Int = 128, bytes: Int = 64 << 10) {
        self.count = count
        self.bytes = bytes
    }
}
