package import JSON

extension JSON {
    /// The object of an upload's metadata: a string for each name, or an array of strings for a name with several
    /// values.
    package init(metadata: [(name: String, values: [String])]) {
        self = .object(
            metadata.map { name, values in
                (name, values.count == 1 ? .string(values[0]) : .array(values.map { .string($0) }))
            })
    }
}
