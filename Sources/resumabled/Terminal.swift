import Glibc
import UploadModel

/// A client's words for a terminal: without anything that it would obey.
func printable(_ text: String) -> String {
    String(
        String.UnicodeScalarView(
            text.unicodeScalars.map { $0.isControl ? "\u{fffd}" : $0 }))
}

/// How much a terminal shows.
struct TerminalSize {
    var columns: Int
    var lines: Int

    /// That of standard output as it is now; nil if that is no terminal.
    static var now: TerminalSize? {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return nil }
        return TerminalSize(columns: Int(size.ws_col), lines: Int(size.ws_row))
    }
}

/// Writes a line to standard error.
func printError(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(STDERR_FILENO, bytes, bytes.count)
}
