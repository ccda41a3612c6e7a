/// The parameters that the protocol doesn't use, such as a title (PROTOCOL.md, Parameters). They are kept with the
/// upload and never acted upon.
package struct Metadata: Sendable, Equatable {
    /// Names and values, sorted by the bytes of the names; no name twice.
    package let pairs: [Pair]

    /// One parameter.
    package struct Pair: Sendable, Equatable {
        package let name: String
        package let value: String

        /// A parameter of that name and value.
        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Those parameters. If a name is repeated, its last value counts.
    package init(_ parameters: [Pair] = []) {
        // By bytes: neither the order nor the equality of names may depend on a locale or a version of Unicode. The
        // sort is stable, so the last value of a name is the one before another name.
        let sorted = parameters.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        pairs = sorted.indices.filter { index in
            index + 1 == sorted.endIndex || !sorted[index].name.hasBytes(of: sorted[index + 1].name)
        }.map { sorted[$0] }
    }

    /// True if there is no such parameter.
    package var isEmpty: Bool { pairs.isEmpty }

    /// The value of that name.
    package subscript(name: String) -> String? { pairs.first { $0.name.hasBytes(of: name) }?.value }
}
