/// Formats columns of text for a terminal.
enum Table {
    /// - Parameters:
    ///   - rows: the first has the titles. All have the same number of cells.
    ///   - flushRight: the columns that are right-aligned.
    static func text(_ rows: [[String]], flushRight: Set<Int>) -> String {
        let columns = rows.first?.indices ?? 0..<0
        let widths = columns.map { column in rows.map { width($0[column]) }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).enumerated().map { column, cell in
                let fill = String(repeating: " ", count: cell.1 - width(cell.0))
                return flushRight.contains(column) ? fill + cell.0 : cell.0 + fill
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }

    /// Writes a duration in its two largest units.
    static func span(_ seconds: UInt64) -> String {
        switch seconds {
        case ..<60: "\(seconds) s"
        case ..<3600: "\(seconds / 60) min \(seconds % 60) s"
        case ..<86_400: "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        default: "\(seconds / 86_400) d \(seconds % 86_400 / 3600) h"
        }
    }

    /// Shortens a name to `limit` columns.
    static func shortened(_ name: String, to limit: Int = 40) -> String {
        guard width(name) > limit else { return name }
        var short = name
        while width(short) >= limit, !short.isEmpty { short.removeLast() }
        return short + "…"
    }

    /// Returns how many columns of a terminal a text takes. Chinese, Japanese and Korean characters take two.
    static func width(_ text: String) -> Int {
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
