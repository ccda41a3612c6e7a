import UploadModel
import UploadStore

/// The uploads under way as a table for people.
enum StatusTable {
    private static let titles = ["name", "size", "held", "", "speed", "age", "last touched"]
    /// How many characters a bar has.
    private static let barWidth = 20

    /// - Parameter since: what was held that many seconds ago, if somebody looked then.
    static func row(_ upload: UploadSummary, now: UInt64, since: (held: UInt64, seconds: Double)?) -> [String] {
        let age = now > upload.begun ? now - upload.begun : 0
        let idle = now > upload.touched ? now - upload.touched : 0
        let perSecond =
            if let since {
                Double(upload.held > since.held ? upload.held - since.held : 0) / max(since.seconds, 0.001)
            } else {
                // Until the last chunk, not until now: an upload that rests was not slow.
                Double(upload.held) / Double(max(age > idle ? age - idle : 0, 1))
            }
        return [
            shortened(printable(upload.id.filename.text)), upload.size.map(bytes) ?? "?", bytes(upload.held),
            upload.size.map { bar(upload.held, of: $0) } ?? "", bytes(UInt64(min(perSecond, 1e18))) + "/s",
            span(age), span(idle) + " ago",
        ]
    }

    static func text(_ rows: [[String]]) -> String {
        guard !rows.isEmpty else { return "No uploads under way." }
        let all = [titles] + rows
        let widths = titles.indices.map { column in all.map { width($0[column]) }.max() ?? 0 }
        return all.map { row in
            zip(row, widths).enumerated().map { column, cell in
                let fill = String(repeating: " ", count: cell.1 - width(cell.0))
                // Numbers stand flush right.
                return [1, 2, 4, 5].contains(column) ? fill + cell.0 : cell.0 + fill
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }

    private static func bar(_ held: UInt64, of size: UInt64) -> String {
        let share = size == 0 ? 1 : min(Double(held) / Double(size), 1)
        // Never full, nor 100 %, before it is.
        let filled = Int(share * Double(barWidth))
        let percent = "\(Int(share * 100))"
        return "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: barWidth - filled) + "] "
            + String(repeating: " ", count: 3 - percent.count) + percent + " %"
    }

    /// A number of bytes with three digits, by powers of 1,024.
    static func bytes(_ count: UInt64) -> String {
        var value = Double(count)
        var unit = 0
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        while value >= 1000, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        guard unit > 0, value < 99.95 else { return "\(Int(value.rounded())) \(units[unit])" }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    /// A span of time in its two largest units.
    static func span(_ seconds: UInt64) -> String {
        switch seconds {
        case ..<60: "\(seconds) s"
        case ..<3600: "\(seconds / 60) min \(seconds % 60) s"
        case ..<86_400: "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        default: "\(seconds / 86_400) d \(seconds % 86_400 / 3600) h"
        }
    }

    private static func shortened(_ name: String) -> String {
        guard width(name) > 40 else { return name }
        var short = name
        while width(short) > 39 { short.removeLast() }
        return short + "…"
    }

    /// How many columns of a terminal a text takes: characters of Chinese, Japanese and Korean take two.
    private static func width(_ text: String) -> Int {
        text.reduce(0) { width, character in
            guard let scalar = character.unicodeScalars.first else { return width }
            let isWide: Bool =
                switch scalar.value {
                case 0x1100...0x115f, 0x2e80...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f,
                    0xff00...0xff60, 0xffe0...0xffe6, 0x1f300...0x1faff, 0x20000...0x3fffd:
                    true
                default: false
                }
            return width + (isWide ? 2 : 1)
        }
    }
}
