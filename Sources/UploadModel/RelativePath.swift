/// The path of a file below the folder that was picked: the folders on the way and the file's name (PROTOCOL.md,
/// Parameters).
package struct RelativePath: Sendable, Hashable {
    /// The most components. Each folder costs the store an inode.
    package static let maximumDepth = 256
    /// The longest path that a client may send, in bytes of UTF-8 (PATH_MAX of Linux).
    package static let maximumLength = 4096

    /// The components, in order; at least one.
    package let components: [FileName]

    /// Empty components and `.` mean nothing in a path and are left out, as a file system does; so is a slash in front,
    /// about which clients disagree. Nil if nothing is left.
    ///
    /// - Parameter parameter: the parameter that has the path, for the error.
    /// - Throws: `ParameterError.unusableName` if the path has `..`, or exceeds a limit.
    package init?(_ text: String, parameter: String) throws(ParameterError) {
        guard text.utf8.count <= RelativePath.maximumLength else {
            throw .unusableName(parameter, RelativePath.tooDeep)
        }
        var components: [FileName] = []
        // By bytes, because a slash and a combining mark after it are one character that isn't a slash.
        for part in text.utf8.split(separator: UInt8(ascii: "/")) {
            let name = String(Substring(part))
            if name == "." { continue }
            guard name != ".." else { throw .unusableName(parameter, "The path of the file leads out of its folder") }
            guard components.count < RelativePath.maximumDepth else {
                throw .unusableName(parameter, RelativePath.tooDeep)
            }
            components.append(try FileName(name, parameter: parameter))
        }
        guard !components.isEmpty else { return nil }
        self.components = components
    }

    /// The path on disk.
    package var text: String { components.map(\.text).joined(separator: "/") }

    /// The path that the client sent, without the components that mean nothing.
    package var original: String { components.map(\.original).joined(separator: "/") }

    private static let tooDeep = "The file is in too many nested folders"
}
