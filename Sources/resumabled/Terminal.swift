import Glibc
import UploadModel

/// Makes a client's text safe for a terminal: control characters are replaced.
func printable(_ text: String) -> String {
    String(
        String.UnicodeScalarView(
            text.unicodeScalars.map { $0.isControl ? "\u{fffd}" : $0 }))
}

/// The size of a terminal in characters.
struct TerminalSize {
    var columns: Int
    var lines: Int

    /// The present size of standard output; nil if that is not a terminal.
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
