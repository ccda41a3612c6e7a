/// The path of a file below the folder that was picked (seed, `resumableRelativePath`): the folders on the way and the
/// file's name.
package struct RelativePath: Sendable, Hashable {
    /// How many components a path may have.
    package static let maximumDepth = 64

    /// The components, in order; one at least. Each is a name that a file may have.
    package let components: [FileName]

    /// - Throws: `ParameterError.invalid` unless `text` has 1 to 64 components that are all plain names.
    package init(_ text: String, parameter: String) throws(ParameterError) {
        // Browsers and clients disagree about a slash in front: it says nothing, so it is let through.
        // Bytes, because a slash with a combining mark behind it is another character than a slash.
        let slash = UInt8(ascii: "/")
        let relative = text.utf8.first == slash ? text.utf8.dropFirst() : text.utf8[...]
        let parts = relative.split(
            separator: slash, maxSplits: RelativePath.maximumDepth, omittingEmptySubsequences: false)
        guard parts.count <= RelativePath.maximumDepth else {
            throw .invalid(parameter, "must have at most \(RelativePath.maximumDepth) components")
        }
        var components: [FileName] = []
        for part in parts { components.append(try FileName(String(Substring(part)), parameter: parameter)) }
        self.components = components
    }

    /// The path as it was sent, without a slash in front.
    package var text: String { components.map(\.text).joined(separator: "/") }
}
