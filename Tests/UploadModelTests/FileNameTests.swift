import TestSupport
import Testing
import UploadModel

/// The contract, "Requests": one path component, 1 to 255 bytes of UTF-8, no `/`, no NUL or other control character,
/// not `.` or `..`.
@Suite("File names")
struct FileNameTests {
    private func name(_ text: String) throws -> FileName {
        try FileName(text, parameter: "name")
    }

    @Test(
        "people's names for files are taken as they are",
        arguments: [
            "clip.mp4", "视频 文件.mp4", "a b  c", "it's \"quoted\"", "🎉🎉.gif", "...", "..a", "a..", ".hidden", " ", "-rf",
            "a\\b", "C:\\x", "%2e%2e%2f", "~", "*", "e\u{301}", "\u{202e}gpj.exe", "name\u{2028}", "|;$(x)`",
        ])
    func taken(_ text: String) throws {
        #expect(try Array(name(text).text.utf8) == Array(text.utf8))
    }

    @Test(
        "what is no name is not taken",
        arguments: [
            "", ".", "..", "/", "a/b", "../x", "/etc/passwd", "a/", "/\u{301}", "a\0", "\0", "a\nb", "\r\n", "\t",
            "\u{1f}",
            "\u{7f}", "\u{80}", "a\u{9f}",
        ])
    func notTaken(_ text: String) {
        let error = #expect(throws: ParameterError.self) { try name(text) }
        if case .invalid("name", _)? = error {} else { Issue.record("\(String(describing: error))") }
    }

    @Test("a name has up to 255 bytes, not characters")
    func length() throws {
        for character in ["n", "视", "\u{1F389}"] {
            let count = 255 / character.utf8.count
            let fitting = String(repeating: character, count: count)
            _ = try name(fitting + String(repeating: "n", count: 255 - fitting.utf8.count))
            #expect(throws: ParameterError.self) {
                try name(fitting + String(repeating: "n", count: 256 - fitting.utf8.count))
            }
        }
    }

    @Test("names that are equivalent to Unicode are the names of two files")
    func equivalent() throws {
        let (composed, decomposed) = (try name("\u{e9}"), try name("e\u{301}"))
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed, composed]).count == 2)
        let uploads = try [composed, decomposed].flatMap { file in
            try ["\u{e9}", "e\u{301}"].map { try UploadID(identifier: $0, filename: file, parameter: "id") }
        }
        #expect(Set(uploads).count == 4)
    }

    @Test("a number stands before the extension; number 0 is the name itself")
    func numbered() throws {
        let expected: [(String, String)] = [
            ("clip.mp4", "clip (1).mp4"), ("archive.tar.gz", "archive.tar (1).gz"), ("README", "README (1)"),
            (".hidden", ".hidden (1)"), ("a.\u{301}b", "a (1).\u{301}b"), (".hidden.txt", ".hidden (1).txt"),
            ("视频.mp4", "视频 (1).mp4"),
            ("clip (1).mp4", "clip (1) (1).mp4"), ("...", ".. (1)."),
        ]
        for (text, one) in expected {
            #expect(try name(text).numbered(0) == text)
            #expect(try name(text).numbered(1) == one)
        }
        #expect(try name("a.b").numbered(10) == "a (10).b")
        #expect(try name("a.b").numbered(.max) == "a (18446744073709551615).b")
    }

    @Test("a long name is shortened where the number goes, and keeps its extension")
    func longNumbered() throws {
        let long = try name(String(repeating: "n", count: 251) + ".mp4")
        #expect(long.numbered(1) == String(repeating: "n", count: 247) + " (1).mp4")
        #expect(long.numbered(12) == String(repeating: "n", count: 246) + " (12).mp4")
        let fits = try name(String(repeating: "n", count: 247) + ".mp4")
        #expect(fits.numbered(1) == String(repeating: "n", count: 247) + " (1).mp4")
    }

    @Test("a character is dropped whole, however many bytes it has")
    func wholeCharacters() throws {
        // 83 * 3 + 4 bytes; 82 * 3 + 8 is the longest that fits.
        let chinese = try name(String(repeating: "视", count: 83) + ".mp4")
        #expect(chinese.numbered(1) == String(repeating: "视", count: 82) + " (1).mp4")
        // A family is one character of 25 bytes, joined of four people.
        let family = "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}\u{200D}\u{1F466}"
        #expect(family.utf8.count == 25)
        let families = try name(String(repeating: family, count: 10) + ".mp4")
        #expect(families.numbered(1) == String(repeating: family, count: 9) + " (1).mp4")
    }

    @Test("what follows a dot but is too long for an extension is shortened like the rest")
    func longExtension() throws {
        let text = "a." + String(repeating: "x", count: 253)
        #expect(try name(text).numbered(1) == String(text.prefix(251)) + " (1)")
    }

    @Test("a name with a number is a name again", arguments: 0..<10 as Range<UInt64>)
    func alwaysNames(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let pieces = ["n", ".", " ", "视", "\u{1F389}", "\u{301}", "(", "\u{1F468}\u{200D}\u{1F469}"]
        for _ in 0..<300 {
            var text = "x"
            let length = Int.random(in: 1...255, using: &random)
            while let piece = pieces.randomElement(using: &random), text.utf8.count + piece.utf8.count <= length {
                text += piece
            }
            let number = UInt64.random(in: 1 ... .max, using: &random) >> UInt64.random(in: 0...63, using: &random)
            let result = try name(text).numbered(number)
            _ = try name(result)
            if number > 0 { #expect(result.contains("(\(number))")) }
        }
    }
}
