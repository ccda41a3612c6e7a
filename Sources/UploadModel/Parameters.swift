import Glibc

/// The parameters of one request, by name: from the query string, from form fields, or from both (PROTOCOL.md,
/// Parameters).
///
/// A field takes precedence over the query. Within one of the two places a name may be repeated: metadata keeps all
/// values in order, and a parameter that the protocol uses must have the same value each time (`single`). Names and
/// values are compared by bytes, without Unicode normalisation.
package struct Parameters: Sendable {
    /// Where a parameter was given.
    package enum Place: Sendable { case query, fields }

    // There are few of them, so a linear search costs less than hashing the names.
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
    /// - Throws: `ParameterError.tooMany` if a limit is exceeded.
    package mutating func add(_ name: String, _ value: String, from place: Place) throws(ParameterError) {
        bytes += name.utf8.count + value.utf8.count
        guard bytes <= limits.bytes, query.count + fields.count < limits.count else { throw .tooMany }
        let pair = Metadata.Pair(name: name, value: value)
        switch place {
        case .query: query.append(pair)
        case .fields: fields.append(pair)
        }
    }

    /// The first value of that name; it may be empty.
    package subscript(name: String) -> String? { fields.value(of: name) ?? query.value(of: name) }

    /// The value of a parameter that may have only one.
    ///
    /// - Throws: `ParameterError.repeated` if it is given with different values in the place that counts.
    package func single(_ name: String) throws(ParameterError) -> String? {
        if let value = try fields.single(name) { return value }
        return try query.single(name)
    }

    /// All parameters; those of one name are in order. The query's are left out if a field has their name.
    var all: [Metadata.Pair] { fields + query.filter { fields.value(of: $0.name) == nil } }

    /// True if every parameter of the query that places the chunk or names its type is also a field. Then the query
    /// adds nothing.
    package func fieldsRepeatQuery(for dialect: Dialect) -> Bool {
        query.allSatisfy { pair in
            let isOfChunk = dialect.placing.contains(pair.name) || pair.name.hasBytes(of: dialect.type)
            // The token identifies the client, not the chunk.
            let isToken = pair.name.hasBytes(of: dialect.token)
            return !isOfChunk || isToken || fields.value(of: pair.name) != nil
        }
    }

    /// The fields alone.
    package var fieldsOnly: Parameters {
        var copy = self
        copy.query = []
        return copy
    }
}

extension [Metadata.Pair] {
    /// The first value of that name.
    fileprivate func value(of name: String) -> String? { first { $0.name.hasBytes(of: name) }?.value }

    /// The only value of that name.
    ///
    /// - Throws: `ParameterError.repeated` if there are several that differ.
    fileprivate func single(_ name: String) throws(ParameterError) -> String? {
        var found: String?
        // A loop over the pairs would retain and release each of them.
        for index in indices where self[index].name.hasBytes(of: name) {
            if let found, !found.hasBytes(of: self[index].value) { throw .repeated(name) }
            found = self[index].value
        }
        return found
    }
}

extension String {
    /// True for the same text in the same bytes.
    ///
    /// Each request compares some hundred names, most of which differ in length: the comparison of lengths is inlined.
    @inline(__always)
    package func hasBytes(of other: String) -> Bool {
        utf8.count == other.utf8.count && hasBytes(ofSameLength: other)
    }

    /// The same, for a text of the same length. A loop over two strings is slow.
    package func hasBytes(ofSameLength other: String) -> Bool {
        let isSame = utf8.withContiguousStorageIfAvailable { own in
            other.utf8.withContiguousStorageIfAvailable { other in
                guard let own = UnsafeRawBufferPointer(own).baseAddress, let start = other.baseAddress else {
                    return true
                }
                return memcmp(own, start, other.count) == 0
            }
        }
        return (isSame ?? nil) ?? utf8.elementsEqual(other.utf8)
    }

    /// The text before `suffix`; nil if the text doesn't end with it. Compared by bytes, because the suffix's first
    /// letter may form one character with the text before it.
    package func prefix(before suffix: String) -> String? {
        let count = suffix.utf8.count
        guard utf8.suffix(count).elementsEqual(suffix.utf8) else { return nil }
        return String(utf8.dropLast(count))
    }
}

/// Limits on the parameters of a request.
package struct ParameterLimits: Sendable {
    /// The most parameters, query and fields together. 1 and up.
    package var count: Int
    /// The most bytes of their names and values together. 1 and up.
    package var bytes: Int

    /// The limits; the defaults are ten times what known clients need.
    package init(count: Int = 128, bytes: Int = 64 << 10) {
        self.count = count
        self.bytes = bytes
    }
}
