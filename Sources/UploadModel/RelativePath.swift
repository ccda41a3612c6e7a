/// The path of a file below the folder that was picked (seed, `resumableRelativePath`).
enum RelativePath {
    /// How many components a path may have.
    static let maximumDepth = 64

    /// Checks that every component is a name that a file may have.
    ///
    /// - Throws: `ParameterError.invalid`.
    static func check(_ path: String, parameter: String) throws(ParameterError) {
        // Browsers and clients disagree about a slash in front: it says nothing, so it is let through.
        let components = path.utf8.first == UInt8(ascii: "/") ? path.dropFirst() : path[...]
        let parts = components.split(separator: "/", maxSplits: maximumDepth, omittingEmptySubsequences: false)
        guard parts.count <= maximumDepth else {
            throw .invalid(parameter, "must have at most \(maximumDepth) components")
        }
        for part in parts { _ = try FileName(String(part), parameter: parameter) }
    }
}
