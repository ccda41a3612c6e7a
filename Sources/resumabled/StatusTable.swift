import UploadModel
import UploadStore

/// The unfinished uploads as a table for people.
enum StatusTable {
    private static let titles = ["name", "size", "held", "", "speed", "age", "last touched"]
    /// How many characters a bar has.
    private static let barWidth = 20

    /// - Parameter since: how many bytes were held at the last update, and how many seconds ago that was; nil at the
    ///   first.
    static func row(_ upload: UploadSummary, now: UInt64, since: (held: UInt64, seconds: Double)?) -> [String] {
        let age = now > upload.begun ? now - upload.begun : 0
        let idle = now > upload.touched ? now - upload.touched : 0
        let perSecond =
            if let since {
                Double(upload.held > since.held ? upload.held - since.held : 0) / max(since.seconds, 0.001)
            } else {
                // Until the last chunk, not until now: a paused upload was not slow.
                Double(upload.held) / Double(max(age > idle ? age - idle : 0, 1))
            }
        return [
            Table.shortened(printable(upload.id.filename.text)), upload.size.map(bytes) ?? "?", bytes(upload.held),
            upload.size.map { bar(upload.held, of: $0) } ?? "", bytes(UInt64(min(perSecond, 1e18))) + "/s",
            Table.span(age), Table.span(idle) + " ago",
        ]
    }

    /// - Parameter size: the size of the terminal. Columns are left out, and names and the list are shortened, so that
    ///   no line wraps and nothing scrolls. Nil: nothing is left out.
    static func text(_ rows: [[String]], size: TerminalSize? = nil) -> String {
        guard !rows.isEmpty else { return "No uploads under way." }
        // The cursor needs a line.
        let shown = size.map { rows.count < $0.lines - 1 ? rows.count : max(0, $0.lines - 3) } ?? rows.count
        let all = [titles] + rows.prefix(shown)
        var widths = titles.indices.map { column in all.map { Table.width($0[column]) }.max() ?? 0 }
        var columns = Array(titles.indices)
        if let size {
            (columns, widths[0]) = fitting(widths, size.columns)
        }
        var lines = all.map { row in
            columns.map { column in
                let cell = column == 0 ? Table.shortened(row[column], to: widths[0]) : row[column]
                let fill = String(repeating: " ", count: max(0, widths[column] - Table.width(cell)))
                // Numbers are right-aligned.
                return [1, 2, 4, 5].contains(column) ? fill + cell : cell + fill
            }.joined(separator: gap)
        }
        if shown < rows.count { lines.append("and \(rows.count - shown) more") }
        return lines.joined(separator: "\n")
    }

    private static let gap = "  "
    /// The order in which columns are left out: the times first, then the columns that repeat the bar.
    private static let leaving = [6, 5, 2, 1, 4, 3]
    /// How far names are shortened before a column is left out.
    private static let shortestName = 16

    /// Returns which columns fit into a line of `lineWidth` characters, and how wide the names may be.
    private static func fitting(_ widths: [Int], _ lineWidth: Int) -> (columns: [Int], name: Int) {
        var columns = Array(widths.indices)
        func rest() -> Int { columns.dropFirst().reduce(0) { $0 + widths[$1] + gap.count } }
        for column in leaving where rest() + min(widths[0], shortestName) > lineWidth {
            columns.removeAll { $0 == column }
        }
        return (columns, min(widths[0], max(1, lineWidth - rest())))
    }

    private static func bar(_ held: UInt64, of size: UInt64) -> String {
        let share = size == 0 ? 1 : min(Double(held) / Double(size), 1)
        // Rounded down, so that only a complete upload shows a full bar and 100 %.
        let filled = Int(share * Double(barWidth))
        let percent = "\(Int(share * 100))"
        return "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: barWidth - filled) + "] "
            + String(repeating: " ", count: 3 - percent.count) + percent + " %"
    }

    /// Writes a number of bytes with up to three digits. The units are powers of 1,024.
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
}
