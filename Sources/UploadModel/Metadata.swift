/// What a client says about a file beside the bytes and their place: the parameters that the protocol doesn't use
/// (contract, "Requests"), such as a title. Kept with the upload, never acted upon.
public struct Metadata: Sendable, Equatable {
    /// Names and values, sorted by the bytes of the names; no name twice.
    public let pairs: [Pair]

    /// One parameter.
    public struct Pair: Sendable, Equatable {
        public let name: String
        public let value: String

        /// A parameter of that name and value.
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Those parameters; where a name comes more than once, its last value counts.
    public init(_ parameters: [Pair] = []) {
        // By bytes: neither the order nor what counts as one name may depend on a locale or a version of Unicode.
        // The order of equal ones stays, so the last of them is in front of another name.
        let sorted = parameters.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        pairs = sorted.indices.filter { index in
            index + 1 == sorted.endIndex || !sorted[index].name.hasBytes(of: sorted[index + 1].name)
        }.map { sorted[$0] }
    }

    /// True if the client said nothing more.
    public var isEmpty: Bool { pairs.isEmpty }

    /// The value of that name.
    public subscript(name: String) -> String? { pairs.first { $0.name.hasBytes(of: name) }?.value }
}
