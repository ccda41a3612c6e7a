import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// Another user who can write below the root puts symbolic links into the store's own folder: no file outside it is
// created, read or changed (PROTOCOL.md, Promises).

@Suite struct PlantedLinkTests {
    let site: Site
    let outside: TemporaryFolder
    let id: UploadID
    let bytes = content(30)

    init() throws {
        site = try Site()
        outside = try TemporaryFolder()
        id = try uploadID()
        try outside.write(content(8, seed: 7), to: "foreign")
    }

    private func expectOutsideUnchanged() throws {
        #expect(outside.names() == ["foreign"])
        #expect(try outside.read("foreign") == content(8, seed: 7))
    }

    @Test("A symbolic link in place of a journal is not followed", arguments: ["foreign", "new"])
    func journal(target: String) throws {
        let store = try site.store()
        try site.folder.link(site.journalPath(id), to: outside.path + "/" + target)
        #expect(throws: StoreError.self) { try store.sendAll(bytes, as: id) }
        _ = try? store.status(of: id)
        _ = store.recover()
        try expectOutsideUnchanged()
        #expect(site.files.isEmpty)
    }

    @Test("A symbolic link in place of a data file is not followed", arguments: ["foreign", "new"])
    func dataAfter(target: String) throws {
        let store = try site.store()
        let chunks = Chunk.all(of: 30, size: 10)
        try store.send(chunks[0], of: bytes, as: id)
        try site.folder.remove(site.dataPath(id))
        try site.folder.link(site.dataPath(id), to: outside.path + "/" + target)
        for store in [store, try site.store(), try site.store(boot: 2)] {
            for chunk in chunks { #expect(throws: StoreError.self) { try store.send(chunk, of: bytes, as: id) } }
        }
        try expectOutsideUnchanged()
        #expect(site.files.isEmpty)
    }

    @Test("A symbolic link in place of the store's folder is not followed")
    func stateFolder() throws {
        try site.folder.link(".resumabled", to: outside.path)
        #expect(throws: StoreError.self) { try site.store() }
        try expectOutsideUnchanged()
    }
}
