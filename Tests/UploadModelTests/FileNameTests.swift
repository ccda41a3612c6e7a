import TestSupport
import Testing
import UploadModel

/// PROTOCOL.md, Parameters: a file name is one path component. Names that are legal at the client are accepted, and
/// become names on disk of at most 255 bytes without control characters.
@Suite("File names")
struct FileNameTests {
    private func name(_ text: String) throws -> FileName {
        try FileName(text, parameter: "name")
    }

    @Test(
        "names without control characters are kept as they are",
        arguments: [
            "clip.mp4", "视频 文件.mp4", "a b  c", "it's \"quoted\"", "🎉🎉.gif", "...", "..a", "a..", ".hidden", " ", "-rf",
            "a\\b", "C:\\x", "%2e%2e%2f", "~", "*", "e\u{301}", "\u{202e}gpj.exe", "name\u{2028}", "|;$(x)`", "x. ",
            "x ",
            "\u{fffd}",
        ])
    func kept(_ text: String) throws {
        let name = try name(text)
        #expect(name.text.utf8.elementsEqual(text.utf8))
        #expect(name.original.utf8.elementsEqual(text.utf8))
        #expect(name.isUnchanged)
    }

    @Test(
        "control characters are replaced on disk",
        arguments: [
            ("Icon\r", "Icon_"), ("a\tb", "a_b"), ("a\nb.txt", "a_b.txt"), ("\r\n", "__"), ("\0", "_"),
            ("a\0.txt", "a_.txt"),
            ("\u{1f}\u{7f}\u{80}\u{9f}", "____"), (".\u{1}", "._"), ("x\u{1b}[31m", "x_[31m"), ("\u{85}视", "_视"),
        ])
    func replaced(_ text: String, _ expected: String) throws {
        let name = try name(text)
        #expect(name.text == expected)
        #expect(name.original.utf8.elementsEqual(text.utf8))
        #expect(!name.isUnchanged)
    }

    @Test("paths and empty names are refused with a line for the person who uploads")
    func refused() {
        for text in [
            "", ".", "..", "/", "a/b", "../x", "/etc/passwd", "a/", "/\u{301}", String(repeating: "n", count: 4097),
        ] {
            let error = #expect(throws: ParameterError.self) { try name(text) }
            guard case .unusableName("name", let line)? = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(line.hasPrefix("The file") && line.count > 15)
            #expect(error.map { "\($0)" } == line)
        }
    }

    @Test("a long name is shortened on disk by whole characters, and keeps its extension")
    func shortened() throws {
        let cases = [
            (String(repeating: "n", count: 255), String(repeating: "n", count: 255)),
            (String(repeating: "n", count: 256), String(repeating: "n", count: 255)),
            (String(repeating: "视", count: 93), String(repeating: "视", count: 85)),
            (String(repeating: "视", count: 93) + ".mp4", String(repeating: "视", count: 83) + ".mp4"),
            (String(repeating: "\u{1F389}", count: 64), String(repeating: "\u{1F389}", count: 63)),
            (String(repeating: "n", count: 4092) + ".pdf", String(repeating: "n", count: 251) + ".pdf"),
            ("a." + String(repeating: "x", count: 300), "a." + String(repeating: "x", count: 253)),
            (String(repeating: ".", count: 300), String(repeating: ".", count: 255)),
            (String(repeating: "\t", count: 300) + ".mp4", String(repeating: "_", count: 251) + ".mp4"),
        ]
        for (text, expected) in cases {
            #expect(try name(text).text == expected)
            #expect(try name(text).original == text)
        }
    }

    @Test("a first character that is longer than a name is shortened by its scalars")
    func longCharacter() throws {
        let text = "e" + String(repeating: "\u{301}", count: 200) + ".mp4"
        #expect(text.count == 5)
        let name = try name(text)
        #expect(name.text.utf8.count == 255)
        #expect(name.text.unicodeScalars.first == "e" && name.text.hasSuffix(".mp4"))
    }

    @Test("names that differ only where they are shortened or replaced are the names of two uploads")
    func identity() throws {
        let long = String(repeating: "n", count: 300)
        for (one, other) in [(long + "a", long + "b"), ("a\t", "a\n"), ("a\t", "a_"), (long, String(long.prefix(255)))]
        {
            let names = (try name(one), try name(other))
            #expect(names.0.text == names.1.text)
            #expect(names.0 != names.1 && names.0.hashValue != names.1.hashValue)
            let uploads = try (
                UploadID(identifier: "i", filename: names.0, parameter: ""),
                UploadID(identifier: "i", filename: names.1, parameter: "")
            )
            #expect(uploads.0 != uploads.1)
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

    @Test("text after a dot that is too long for an extension is shortened like the rest")
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
