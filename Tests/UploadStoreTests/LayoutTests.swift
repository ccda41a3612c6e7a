import StoreTestSupport
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// The places of finished files, and names that are taken.

@Suite struct LayoutTests {
    let site: Site
    let bytes = content(30)

    init() throws { site = try Site() }

    private func request(
        _ chunk: Chunk, identifier: String = "id", path: String, filename: String = "name.bin"
    ) throws -> ChunkRequest {
        ChunkRequest(
            upload: try uploadID(identifier, filename), number: UInt64(chunk.number),
            place: .sized(total: 30, chunkSize: 10, try chunk.layout()),
            relativePath: path.isEmpty ? nil : try RelativePath(path, parameter: ""))
    }

    /// Sends a file in three chunks. Returns the effect of the last one.
    private func sendAll(
        _ store: LocalStore, identifier: String = "id", path: String = "", bytes: [UInt8]? = nil
    ) throws -> Receipt.Effect {
        var effect = Receipt.Effect.stored
        for chunk in Chunk.all(of: 30, size: 10) {
            let writer = try store.receive(request(chunk, identifier: identifier, path: path))
            try writer.write((bytes ?? self.bytes)[chunk.range])
            effect = try writer.commit().effect
        }
        return effect
    }

    @Test("On a file system that ignores case, a path does not lead into the store's own folder")
    func otherCase() throws {
        let disk = MemoryDisk()
        let store = try LocalStore(
            root: disk.root, boot: BootID(low: 1, high: 0), settings: StoreSettings(minimumFree: 0, layout: .tree)
        ) { 100 }
        let own = try #require(disk.number(of: LocalStore.stateFolder))
        disk.change { $0.setName(".RESUMABLED", in: 1, to: own) }
        let chunk = Chunk.all(of: 30, size: 10)[0]
        #expect(throws: StoreError.nameReserved) {
            try store.receive(try request(chunk, path: ".RESUMABLED/name.bin"))
        }
    }

    @Test("In the tree layout, a file is at its path, also after a restart, and duplicates are recognized")
    func tree() throws {
        let settings = StoreSettings(layout: .tree)
        let store = try site.store(settings)
        #expect(try sendAll(store, path: "holiday/day 1/name.bin") == .completed(path: "holiday/day 1/name.bin"))
        #expect(try site.folder.read("holiday/day 1/name.bin") == bytes)
        #expect(try sendAll(store, identifier: "2", path: "/name.bin") == .completed(path: "name.bin"))
        #expect(try sendAll(store, identifier: "3") == .completed(path: "name (1).bin"))
        #expect(
            try sendAll(store, identifier: "4", path: "holiday/day 1/name.bin")
                == .completed(path: "holiday/day 1/name (1).bin"))
        site.wait(seconds: 1_000_000)
        let later = try site.store(boot: 2, settings)
        #expect(try sendAll(later, path: "holiday/day 1/name.bin") == .duplicate)
        #expect(site.folder.names(in: "holiday/day 1") == ["name (1).bin", "name.bin"])
    }

    /// A store whose admission hook collects how many folders are created for each file.
    private func store(telling asked: Collected<Int>) throws -> LocalStore {
        try LocalStore(
            root: LinuxDirectory.root(site.folder.path), boot: BootID(low: 1, high: 0),
            settings: StoreSettings(layout: .tree), now: { 1_700_000_000 },
            admit: { _, newFolders throws(StoreError) in asked.add(newFolders) })
    }

    @Test("The admission hook learns how many folders are created for a file")
    func newFolders() throws {
        let asked = Collected<Int>()
        let store = try store(telling: asked)
        for (number, path) in ["a/b/c/name.bin", "a/b/d/name.bin", "a/b/c/name.bin", "name.bin"].enumerated() {
            _ = try sendAll(store, identifier: "\(number)", path: path)
        }
        #expect(asked.all == [3, 1, 0, 0])
    }

    @Test("A finished file of other bytes that takes its place counts like a first one")
    func newFoldersOfSuccessor() throws {
        let asked = Collected<Int>()
        let store = try store(telling: asked)
        _ = try sendAll(store, path: "a/b/name.bin")
        try site.folder.move("a", to: "elsewhere")
        _ = try sendAll(store, path: "a/b/name.bin", bytes: content(30, seed: 2))
        #expect(asked.all == [2, 2])
    }

    @Test("A path into the store's own folder, or through a file or a symbolic link, is refused")
    func hostilePaths() throws {
        let outside = try TemporaryFolder()
        let store = try site.store(StoreSettings(layout: .tree))
        #expect(throws: StoreError.nameReserved) { try sendAll(store, path: ".resumabled/name.bin") }
        try site.folder.write([1], to: "file")
        #expect(throws: StoreError.nameTaken) { try sendAll(store, path: "file/name.bin") }
        try site.folder.link("link", to: outside.path)
        #expect(throws: StoreError.nameTaken) { try sendAll(store, path: "link/name.bin") }
        #expect(throws: StoreError.nameTaken) { try sendAll(store, path: "link/deep/name.bin") }
        #expect(outside.names() == [])
        #expect(site.files == ["file", "link"])
        #expect(site.state == [], "nothing was begun")
    }

    @Test("A file that takes the place of a target folder is kept, and no chunk of the upload is lost")
    func folderTaken() throws {
        let store = try site.store(StoreSettings(layout: .tree))
        let chunks = Chunk.all(of: 30, size: 10)
        for chunk in chunks[..<2] {
            let writer = try store.receive(request(chunk, path: "a/name.bin"))
            try writer.write(bytes[chunk.range])
            #expect(try writer.commit().effect == .stored)
        }
        try site.folder.write([7], to: "a")
        #expect(throws: StoreError.nameTaken) {
            let writer = try store.receive(request(chunks[2], path: "a/name.bin"))
            try writer.write(bytes[chunks[2].range])
            return try writer.commit()
        }
        #expect(try site.folder.read("a") == [7])
        try site.folder.move("a", to: "elsewhere")
        #expect(try store.status(of: request(chunks[2], path: "a/name.bin"))?.complete == true)
        #expect(try site.folder.read("a/name.bin") == bytes)
    }

    @Test(
        "In the identifier layout, a file is in a folder named after its encoded identifier",
        arguments: [
            ("25-clip", "25-clip"), ("../../etc", "%2E.%2F..%2Fetc"), (".", "%2E"), ("..", "%2E."),
            (".resumabled", "%2Eresumabled"), ("a/b", "a%2Fb"), ("100%", "100%25"), ("a\nb", "a%0Ab"), ("视频", "视频"),
            (String(repeating: "x", count: 255), String(repeating: "x", count: 255)),
            // Too long for a name: printf 'x%.0s' {1..256} | sha256sum
            (
                String(repeating: "x", count: 256),
                "85e62acd750c4eb56b7b6a1d66dca5bfaac5f062608a1a893410d0288936c09a"
            ),
        ])
    func identifier(identifier: String, folder: String) throws {
        let store = try site.store(StoreSettings(layout: .identifier))
        #expect(try sendAll(store, identifier: identifier) == .completed(path: folder + "/name.bin"))
        #expect(try site.folder.read(folder + "/name.bin") == bytes)
        #expect(site.files == [folder])
    }

    @Test("With `replace`, the new file replaces the old one, but never a folder")
    func replace() throws {
        let store = try site.store(StoreSettings(onConflict: .replace))
        try site.folder.write([1], to: "name.bin")
        #expect(try sendAll(store) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
        let other = content(30, seed: 2)
        #expect(try sendAll(store, identifier: "2", bytes: other) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == other)
        #expect(site.files == ["name.bin"])

        try site.folder.remove("name.bin")
        try site.folder.makeFolder("name.bin")
        #expect(throws: StoreError.nameTaken) { try sendAll(store, identifier: "3") }
        try site.folder.write([1], to: "name.bin/inside")
        #expect(throws: StoreError.nameTaken) { try sendAll(store, identifier: "3") }
        #expect(try site.folder.read("name.bin/inside") == [1])
    }

    @Test("A name that is taken is refused at the first chunk, or at the last if it was taken meanwhile")
    func refuse() throws {
        let store = try site.store(StoreSettings(onConflict: .refuse))
        #expect(try sendAll(store) == .completed(path: "name.bin"))
        #expect(try sendAll(store) == .duplicate)
        #expect(throws: StoreError.nameTaken) { try sendAll(store, identifier: "2") }
        #expect(site.state.count == 1, "nothing was begun")

        try site.folder.remove("name.bin")
        let chunks = Chunk.all(of: 30, size: 10)
        for chunk in chunks[..<2] {
            let writer = try store.receive(request(chunk, identifier: "3", path: ""))
            try writer.write(bytes[chunk.range])
            _ = try writer.commit()
        }
        try site.folder.write([1], to: "name.bin")
        #expect(throws: StoreError.nameTaken) {
            let writer = try store.receive(request(chunks[2], identifier: "3", path: ""))
            try writer.write(bytes[chunks[2].range])
            return try writer.commit()
        }
        #expect(try site.folder.read("name.bin") == [1])
    }
}
