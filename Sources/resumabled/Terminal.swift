import Glibc
import UploadModel

/// A client's text for a terminal, without the characters that a terminal would obey: control characters, line breaks,
/// and those that change the direction of writing, which make a name look like another one.
func printable(_ text: String) -> String {
    if text.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) { return text }
    let scalars = text.unicodeScalars.map { scalar -> Unicode.Scalar in
        let isObeyed =
            scalar.isControl || scalar.properties.isBidiControl || scalar.value == 0x2028 || scalar.value == 0x2029
        return isObeyed ? "\u{fffd}" : scalar
    }
    return String(String.UnicodeScalarView(scalars))
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
