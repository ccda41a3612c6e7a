/// The accepted types of file: a list of patterns, as in HTML's `accept` attribute (WHATWG HTML, "File Upload state"):
/// `video/*`, `image/png`, `.pdf`. Case makes no difference.
package struct TypePolicy: Sendable, Equatable, CustomStringConvertible {
    /// One pattern.
    enum Pattern: Sendable, Equatable {
        /// The extension of the file's name, in lower case, without the dot.
        case ending(String)
        /// A media type, in lower case; without a subtype it matches all subtypes.
        case media(type: String, subtype: String?)
    }

    let patterns: [Pattern]
    /// The patterns as they were written.
    package let description: String

    /// Reads patterns that are separated by commas; nil if there is none, or one of them is invalid.
    package init?(_ text: String) {
        var patterns: [Pattern] = []
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let pattern = Pattern(item.drop { $0 == " " }) else { return nil }
            patterns.append(pattern)
        }
        guard !patterns.isEmpty else { return nil }
        self.patterns = patterns
        description = text
    }

    /// The result of judging a file by its name and declared type.
    package enum Verdict: Sendable, Equatable {
        case accepted
        case refused
        /// The client declares no type, and the name's extension is not accepted: only the content can decide.
        case undecided
    }

    /// Judges a file by its name and the type that the client declares.
    ///
    /// - Parameter type: a media type, parameters allowed (RFC 9110, section 8.3.1); empty, nil or
    ///   `application/octet-stream` if the client doesn't know it.
    package func judge(name: FileName, type: String?) -> Verdict {
        if matches(name: name) { return .accepted }
        guard let media = TypePolicy.essence(type ?? ""), media != "application/octet-stream" else {
            return hasMediaPatterns ? .undecided : .refused
        }
        return matches(media: media) ? .accepted : .refused
    }

    /// Judges a file by the type of its first bytes.
    ///
    /// - Parameters:
    ///   - media: their media type; `application/octet-stream` if it is unknown.
    ///   - endings: the extensions of files of that type, without dots; empty if they are unknown.
    package func acceptsContent(media: String, endings: [String], name: FileName) -> Bool {
        let media = media.lowercased()
        let isUnknown = media == "application/octet-stream"
        if !isUnknown && matches(media: media) { return true }
        guard matches(name: name) else { return false }
        // The name has an accepted extension. Content of another type is refused. Content without a recognisable type
        // is accepted: many formats have none, and all text formats look alike.
        if isUnknown || media == "text/plain" { return true }
        return endings.contains { ending in patterns.contains(.ending(ending.lowercased())) }
            || patterns.contains { pattern in
                guard case .ending(let ending) = pattern else { return false }
                return media.hasSuffix("/" + ending) || media.hasSuffix("/x-" + ending)
            }
    }

    private var hasMediaPatterns: Bool {
        patterns.contains { if case .media = $0 { true } else { false } }
    }

    private func matches(name: FileName) -> Bool {
        let name = name.text.lowercased()
        return patterns.contains { pattern in
            guard case .ending(let ending) = pattern else { return false }
            // A name that is nothing but an extension has no extension.
            return name.utf8.count > ending.utf8.count + 1 && name.hasSuffix("." + ending)
        }
    }

    private func matches(media: String) -> Bool {
        patterns.contains { pattern in
            guard case .media(let type, let subtype) = pattern else { return false }
            return subtype.map { media == "\(type)/\($0)" } ?? media.hasPrefix(type + "/")
        }
    }

    /// Type and subtype in lower case; nil if `media` has another form.
    private static func essence(_ media: String) -> String? {
        let essence = media.prefix { $0 != ";" && $0 != " " }.lowercased()
        return essence.split(separator: "/", omittingEmptySubsequences: false).count == 2 ? essence : nil
    }
}

extension TypePolicy.Pattern {
    fileprivate init?(_ text: Substring) {
        let text = text.lowercased()
        func isToken(_ part: some StringProtocol) -> Bool {
            !part.isEmpty
                && part.utf8.allSatisfy { byte in
                    (0x21...0x7e).contains(byte) && !"()<>@,;:\\\"/[]?={}*".utf8.contains(byte)
                }
        }
        if text.hasPrefix(".") {
            let ending = text.dropFirst()
            guard isToken(ending) else { return nil }
            self = .ending(String(ending))
            return
        }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, isToken(parts[0]), parts[1] == "*" || isToken(parts[1]) else { return nil }
        self = .media(type: String(parts[0]), subtype: parts[1] == "*" ? nil : String(parts[1]))
    }
}
