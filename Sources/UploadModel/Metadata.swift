/// The parameters that the protocol doesn't use, such as a title (PROTOCOL.md, Parameters). They are kept with the
/// upload and never acted upon.
package struct Metadata: Sendable, Equatable {
    /// Names and values, sorted by the bytes of the names. A name with several values has a pair for each, in their
    /// order.
    package let pairs: [Pair]

    /// One value of a parameter.
    package struct Pair: Sendable, Equatable {
        package let name: String
        package let value: String

        /// A parameter of that name and value.
        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Those parameters.
    package init(_ parameters: [Pair] = []) {
        // By bytes: neither the order nor the equality of names may depend on a locale or a version of Unicode. The
        // sort is stable, so the values of a name stay in order.
        pairs = parameters.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// True if there is no such parameter.
    package var isEmpty: Bool { pairs.isEmpty }

    /// The first value of that name.
    package subscript(name: String) -> String? { pairs.first { $0.name.hasBytes(of: name) }?.value }

    /// Each name once, with all of its values in order.
    package var lists: [(name: String, values: [String])] {
        var lists: [(name: String, values: [String])] = []
        for pair in pairs {
            if let last = lists.last, last.name.hasBytes(of: pair.name) {
                lists[lists.count - 1].values.append(pair.value)
            } else {
                lists.append((pair.name, [pair.value]))
            }
        }
        return lists
    }
}
