import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// The reports of operators' tools on files that cannot be read.

@Suite struct UnreadableTests {
    @Test("Verification goes on after a folder with the name of a journal")
    func folder() throws {
        let site = try Site()
        let store = try site.store()
        let bytes = content(20)
        for name in ["one.bin", "two.bin"] {
            try store.send(Chunk.all(of: 20, size: 10)[0], of: bytes, as: uploadID("id", name))
        }
        let one = try site.dataPath(uploadID("id", "one.bin"))
        try site.folder.remove(site.journalPath(uploadID("id", "one.bin")))
        try site.folder.makeFolder(site.journalPath(uploadID("id", "one.bin")))
        try site.folder.makeFolder(".resumabled/x.journal")
        let report = try store.verify()
        #expect(report.uploads == 1)
        let files = report.findings.map(\.object)
        #expect(files.contains("x.journal"))
        #expect(files.contains(String(one.dropFirst(".resumabled/".count))))
    }

    @Test("A list of uploads fails if no journal can be read, and leaves out single ones")
    func list() throws {
        let site = try Site()
        let store = try site.store()
        #expect(try store.uploads().isEmpty)
        try site.folder.makeFolder(".resumabled/x.journal")
        #expect(throws: StoreError.self) { try store.uploads() }
        try store.send(Chunk.all(of: 20, size: 10)[0], of: content(20), as: uploadID())
        #expect(try store.uploads().count == 1)
    }
}
