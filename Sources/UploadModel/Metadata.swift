/// What a client says about a file beside the bytes and their place: the parameters that the protocol doesn't use
/// (contract, "Requests"), such as a title. Kept with the upload, never acted upon.
public struct Metadata: Sendable, Equatable {
    /// Names and values, sorted by name; no name twice.
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
        let values = Dictionary(parameters.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
        pairs = values.map { Pair(name: $0.key, value: $0.value) }
            // By bytes: the order must not depend on what a locale or Unicode version thinks of two names.
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// True if the client said nothing more.
    public var isEmpty: Bool { pairs.isEmpty }

    /// The value of that name.
    public subscript(name: String) -> String? { pairs.first { $0.name == name }?.value }
}
