import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// The final name of a file, and that no existing file is changed (PROTOCOL.md, Promises).

@Suite struct FinalNameTests {
    let site: Site
    let store: LocalStore
    let bytes = content(30)

    init() throws {
        site = try Site()
        store = try site.store()
    }

    @Test("A second file with the same name gets a number before its extension")
    func secondFile() throws {
        #expect(try store.sendAll(bytes, as: uploadID("one", "name.ext")) == .completed(path: "name.ext"))
        #expect(
            try store.sendAll(content(20, seed: 2), as: uploadID("two", "name.ext"))
                == .completed(path: "name (1).ext"))
        #expect(site.files == ["name (1).ext", "name.ext"])
        #expect(try site.folder.read("name.ext") == bytes)
        #expect(try site.folder.read("name (1).ext") == content(20, seed: 2))
    }

    @Test("A number that is taken is skipped")
    func takenNumbers() throws {
        for name in ["name.ext", "name (1).ext", "name (2).ext", "name (4).ext"] {
            try site.folder.write(Array(name.utf8), to: name)
        }
        #expect(try store.sendAll(bytes, as: uploadID("id", "name.ext")) == .completed(path: "name (3).ext"))
        for name in ["name.ext", "name (1).ext", "name (2).ext", "name (4).ext"] {
            #expect(try site.folder.read(name) == Array(name.utf8))
        }
        #expect(try site.folder.read("name (3).ext") == bytes)
    }

    @Test("The numbers don't end: the 12,001st file with the same name is finished like the first")
    func manyTaken() throws {
        for name in ["name.ext"] + (1...12_000).map({ "name (\($0)).ext" }) { try site.folder.write([], to: name) }
        #expect(try store.sendAll(bytes, as: uploadID("id", "name.ext")) == .completed(path: "name (12001).ext"))
        #expect(try site.folder.read("name (12001).ext") == bytes)
    }

    @Test("A free number costs few looks, however many are taken before it", arguments: [0, 1, 2, 3, 1000, 1 << 40])
    func looks(taken: UInt64) {
        var looks = 0
        let number = freeNumber(after: nil) { number in
            looks += 1
            return number < taken
        }
        if taken <= 1000 { #expect(number == taken) } else { #expect(number >= taken) }
        #expect(looks <= 2 * 42 + 2)
    }

    @Test("A number that was taken at the last moment is not tried again", arguments: [0, 1, 5, 1000] as [UInt64])
    func takenMeanwhile(number: UInt64) {
        #expect(freeNumber(after: number) { _ in false } == number + 1)
        #expect(freeNumber(after: number) { $0 < number + 7 } == number + 7)
    }

    @Test("Names that take exactly the numbers that are looked at don't end the search")
    func planted() {
        var looked: Set<UInt64> = []
        let number = freeNumber(after: nil) { number in looked.insert(number).inserted && looked.count < 200 }
        #expect(number < 1 << 53)
        #expect(looked.contains(number))
    }

    @Test("A folder with the file's name is left alone")
    func takenByFolder() throws {
        try site.folder.makeFolder("name.ext")
        #expect(try store.sendAll(bytes, as: uploadID("id", "name.ext")) == .completed(path: "name (1).ext"))
        #expect(site.folder.names(in: "name.ext").isEmpty)
    }

    @Test("A symbolic link with the file's name is neither followed nor replaced, whatever its target")
    func takenByLink() throws {
        let outside = try TemporaryFolder()
        try outside.write(content(5), to: "foreign")
        for (name, target) in [("a", outside.path + "/foreign"), ("b", outside.path + "/new"), ("c", outside.path)] {
            try site.folder.link(name, to: target)
            let inode = try site.folder.inode(name)
            #expect(try store.sendAll(bytes, as: uploadID("id", name)) == .completed(path: "\(name) (1)"))
            #expect(try site.folder.inode(name) == inode)
        }
        #expect(outside.names() == ["foreign"])
        #expect(try outside.read("foreign") == content(5))
    }

    @Test("A file with the name of the store's own folder does not harm the store")
    func ownFolder() throws {
        #expect(
            try store.sendAll(bytes, as: uploadID("id", ".resumabled")) == .completed(path: ".resumabled (1)"))
        #expect(try site.folder.read(".resumabled (1)") == bytes)
    }

    @Test(
        "Identifiers and names may contain anything that is valid",
        arguments: [
            ("../../../etc/passwd", "name"), ("/", "..."), ("..", "a b"), ("id\n", "\"'"), ("中文", "中文.txt"),
            ("😀", "😀.😀"), ("%2e%2e%2f", "%2e%2e%2f"), ("a\\..\\b", "..\\..\\b"), ("-rf", "-rf *"),
        ])
    func anyName(identifier: String, name: String) throws {
        #expect(try store.sendAll(bytes, as: uploadID(identifier, name)) == .completed(path: name))
        #expect(site.files == [name])
        #expect(try site.folder.read(name) == bytes)
        #expect(site.state.count == 1)
    }

    @Test("The longest name is kept, and shortened if a number is added")
    func longestName() throws {
        let name = String(repeating: "n", count: 251) + ".ext"
        #expect(try store.sendAll(bytes, as: uploadID("one", name)) == .completed(path: name))
        let second = String(repeating: "n", count: 247) + " (1).ext"
        #expect(try store.sendAll(bytes, as: uploadID("two", name)) == .completed(path: second))
        #expect(site.files == [second, name].sorted())
    }

    @Test(
        "A name that leads elsewhere is refused",
        arguments: [".", "..", "/etc/passwd", "a/b", "../a", ""])
    func refusedNames(name: String) {
        #expect(throws: ParameterError.self) { try uploadID("id", name) }
    }
}
