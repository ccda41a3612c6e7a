/// The text format of Prometheus, version 0.0.4 ("Exposition formats").
package enum Exposition {
    /// The media type of the text.
    package static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

    /// The text of all families with their current samples. A family without samples is left out.
    package static func text(_ families: [Family]) -> String {
        var text = ""
        for family in families {
            let samples = family.samples()
            guard !samples.isEmpty else { continue }
            text += "# HELP \(family.name) \(escaped(family.help, quotes: false))\n"
            text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
            for sample in samples {
                let labels = sample.labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }
                let braces = labels.isEmpty ? "" : "{" + labels.joined(separator: ",") + "}"
                text += "\(family.name)\(sample.suffix)\(braces) \(Sample.text(sample.value))\n"
            }
        }
        return text
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
