import Glibc
import JSON
import Linux
import Logging

/// Writes a line to standard error for each log message: text for people, or a JSON object for machines.
///
/// Both formats quote names that clients choose, so that a line break, quote or control character in a name cannot make
/// another line or field, or control a terminal.
struct LineLogHandler: LogHandler {
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    private let format: LogFormat

    init(_ format: LogFormat, metadataProvider: Logger.MetadataProvider? = nil) {
        self.format = format
        self.metadataProvider = metadataProvider
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var facts = event.metadata ?? [:]
        for more in [metadataProvider?.get() ?? [:], metadata] where !more.isEmpty {
            facts.merge(more) { own, _ in own }
        }
        let sorted = facts.sorted { $0.key < $1.key }
        switch format {
        case .text:
            var line = LineLogHandler.time()
            for word in [event.level.rawValue, visible(event.message.description)] {
                line += " "
                line += word
            }
            for fact in sorted {
                line += " "
                line += fact.key
                line += "="
                line += fact.value.text
            }
            LineLogHandler.write(line)
        case .json:
            let head: [(name: String, value: JSON)] = [
                ("time", .string(LineLogHandler.time())), ("level", .string(event.level.rawValue)),
                ("message", .string(event.message.description)),
            ]
            LineLogHandler.write(JSON.object(head + sorted.map { ($0.key, $0.value.json) }).description)
        }
    }

    /// Held while a line is written: several threads write, and a pipe takes a long line in pieces.
    private static let output = Lock(())

    private static func write(_ line: String) {
        var bytes = Array(line.utf8)
        bytes.append(UInt8(ascii: "\n"))
        var rest = bytes[...]
        output.withLock { _ in
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
                // If standard error fails, there is nowhere to report it.
                guard count > 0 || errno == EINTR else { return }
                rest = rest.dropFirst(max(count, 0))
            }
        }
    }

    /// The present time in UTC, to the millisecond (RFC 3339, section 5.6).
    private static func time() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        gmtime_r(&now.tv_sec, &parts)
        var text: [UInt8] = []
        text.reserveCapacity(24)
        func add(_ number: Int, digits: Int, then mark: Unicode.Scalar) {
            var rest = number
            text += repeatElement(UInt8(ascii: "0"), count: digits)
            for place in 1...digits {
                text[text.count - place] += UInt8(rest % 10)
                rest /= 10
            }
            text.append(UInt8(ascii: mark))
        }
        add(Int(parts.tm_year) + 1900, digits: 4, then: "-")
        add(Int(parts.tm_mon) + 1, digits: 2, then: "-")
        add(Int(parts.tm_mday), digits: 2, then: "T")
        add(Int(parts.tm_hour), digits: 2, then: ":")
        add(Int(parts.tm_min), digits: 2, then: ":")
        add(Int(parts.tm_sec), digits: 2, then: ".")
        add(now.tv_nsec / 1_000_000, digits: 3, then: "Z")
        return String(decoding: text, as: UTF8.self)
    }
}

/// The formats of log lines.
enum LogFormat: String, CaseIterable {
    /// For people: time, level and message, then metadata as `name=value`.
    case text
    /// For machines: one JSON object a line (RFC 8259).
    case json
}

extension Logger.MetadataValue {
    /// The value in the text format. Anything but plain words is quoted.
    fileprivate var text: String {
        let words = if case .string(let words) = self { words } else { description }
        let isPlain =
            !words.isEmpty
            && words.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "-_.:/+".utf8.contains(byte)
                }
            }
        if isPlain { return words }
        // By Unicode scalars, because a quote with a combining accent is one character that is not a quote.
        let escaped = words.unicodeScalars.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] }
        return visible("\"" + String(String.UnicodeScalarView(escaped)) + "\"")
    }

    /// The value in the JSON format. Numbers stay numbers.
    fileprivate var json: JSON {
        if case .stringConvertible(let number as UInt64) = self { return .number(number) }
        return .string("\(self)")
    }
}

/// Replaces the characters of a text that control a terminal: control characters, line ends, and those that change the
/// direction of writing.
private func visible(_ text: String) -> String {
    if text.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) { return text }
    var visible = ""
    for scalar in text.unicodeScalars {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator:
            visible += "\\u{\(String(scalar.value, radix: 16))}"
        default: visible.unicodeScalars.append(scalar)
        }
    }
    return visible
}
