import Glibc
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// Another program deletes, truncates or replaces the data file of an upload under way.

@Suite struct DamagedDataTests {
    enum Damage: CaseIterable { case deleted, truncated, emptied, replaced }

    private let site: Site
    private let store: LocalStore
    private let id: UploadID
    private let bytes = content(50)
    private let chunks = Chunk.all(of: 50, size: 10)

    init() throws {
        site = try Site()
        store = try site.store()
        id = try uploadID()
    }

    private func damage(_ damage: Damage) throws {
        let path = try site.dataPath(id)
        let data = try site.folder.read(path)
        switch damage {
        case .deleted: try site.folder.remove(path)
        case .truncated: try site.folder.write(Array(data[..<12]), to: path)
        case .emptied: try site.folder.write([], to: path)
        case .replaced:
            try site.folder.write([UInt8](repeating: 0, count: 50), to: "other")
            try site.folder.move("other", to: path)
        }
    }

    @Test("A test finds nothing held once the data file is damaged", arguments: Damage.allCases)
    func tested(_ damage: Damage) throws {
        for index in 0..<4 { try store.send(chunks[index], of: bytes, as: id) }
        try #require(try store.isHeld(chunks[0], of: id))
        try self.damage(damage)
        for chunk in chunks { #expect(try !store.isHeld(chunk, of: id)) }
        #expect(try store.sendAll(bytes, as: id, chunkSize: 10) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("The last chunk does not complete a damaged file", arguments: Damage.allCases, [true, false])
    func completed(_ damage: Damage, whileSending: Bool) throws {
        for index in 0..<4 { try store.send(chunks[index], of: bytes, as: id) }
        if whileSending {
            let writer = try store.receive(upload: id, size: 50, layout: chunks[4].layout())
            try writer.write(bytes[40..<45])
            try self.damage(damage)
            #expect(throws: StoreError.self) {
                try writer.write(bytes[45...])
                _ = try writer.commit()
            }
        } else {
            try self.damage(damage)
            _ = try? store.send(chunks[4], of: bytes, as: id)
        }
        #expect(site.files == [])
        // If the file was replaced while a chunk was being sent, the next chunk finds that.
        _ = try? store.send(chunks[0], of: bytes, as: id)
        try store.sendAll(bytes, as: id, chunkSize: 10)
        #expect(site.files == ["name.bin"])
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("A process that starts later does not trust a file that is too short")
    func afterRestart() throws {
        for index in 0..<4 { try store.send(chunks[index], of: bytes, as: id) }
        try damage(.truncated)
        let next = try site.store()
        #expect(try !next.isHeld(chunks[0], of: id))
        #expect(try next.sendAll(bytes, as: id, chunkSize: 10) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("Reserving the next step of space does not hide that the file was cut short", arguments: [false, true])
    func beforeTheNextStep(isKnown: Bool) throws {
        let mebibyte = 1 << 20
        let bytes = content(8 * mebibyte)
        let chunks = Chunk.all(of: bytes.count, size: mebibyte)
        for index in 0..<3 { try store.send(chunks[index], of: bytes, as: id) }
        let path = try site.dataPath(id)
        try site.folder.write(Array(bytes[..<(2 * mebibyte + 5)]), to: path)
        let next = isKnown ? store : try site.store()
        #expect(throws: StoreError.self) { try next.send(chunks[3], of: bytes, as: id) }
        #expect(try !next.isHeld(chunks[0], of: id))
        #expect(try next.sendAll(bytes, as: id, chunkSize: mebibyte) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("A chunk far ahead does not hide that bytes of another process were cut off", arguments: [false, true])
    func bytesOfAnotherProcess(whileSending: Bool) throws {
        let mebibyte = 1 << 20
        let bytes = content(8 * mebibyte)
        let chunks = Chunk.all(of: bytes.count, size: mebibyte)
        try store.send(chunks[0], of: bytes, as: id)
        try site.store().send(chunks[5], of: bytes, as: id)
        let path = try site.dataPath(id)
        func cut() throws {
            let data = try site.folder.read(path)
            try site.folder.write(Array(data[..<(5 * mebibyte + mebibyte / 2)]), to: path)
        }
        if !whileSending { try cut() }
        #expect(throws: StoreError.self) {
            let writer = try store.receive(upload: id, size: UInt64(bytes.count), layout: chunks[7].layout())
            try writer.write(bytes[7 * mebibyte..<7 * mebibyte + mebibyte / 2])
            if whileSending { try cut() }
            try writer.write(bytes[(7 * mebibyte + mebibyte / 2)...])
            _ = try writer.commit()
        }
        for chunk in chunks { #expect(try !store.isHeld(chunk, of: id)) }
        #expect(try store.sendAll(bytes, as: id, chunkSize: mebibyte) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("A last chunk whose offset is unknown is not held once it was cut off", arguments: [false, true])
    func lastChunkCutOff(isSalvaged: Bool) throws {
        func send(_ number: UInt64, to store: LocalStore) throws -> Receipt.Effect {
            let writer = try store.receive(
                ChunkRequest(upload: id, number: number, place: .counted(chunks: 5)))
            try writer.write(bytes[chunks[Int(number) - 1].range])
            return try writer.commit().effect
        }
        #expect(try send(5, to: store) == .stored)
        if isSalvaged { try store.dieInSync(of: id) }
        let path = site.folder.path + "/" + (try site.dataPath(id))
        #expect(truncate(path, off_t(Journal.tailOffset - 1)) == 0)

        let next = isSalvaged ? try site.store() : store
        let test = ChunkRequest(upload: id, number: 5, place: .counted(chunks: 5))
        #expect(try next.status(of: test)?.receipt == nil)
        for number in 1...4 { #expect(try send(UInt64(number), to: next) == .stored) }
        #expect(site.files == [])
        #expect(try send(5, to: next) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }

    @Test("An empty last chunk whose offset is unknown is held")
    func emptyLastChunk() throws {
        func send(_ number: UInt64, _ bytes: ArraySlice<UInt8>) throws -> Receipt.Effect {
            let writer = try store.receive(ChunkRequest(upload: id, number: number, place: .counted(chunks: 3)))
            try writer.write(bytes)
            return try writer.commit().effect
        }
        _ = try send(3, [])
        let test = ChunkRequest(upload: id, number: 3, place: .counted(chunks: 3))
        for next in [store, try site.store()] { #expect(try next.status(of: test)?.receipt?.effect == .duplicate) }
        #expect(try send(1, bytes[..<25]) == .stored)
        #expect(try send(2, bytes[25...]) == .completed(path: "name.bin"))
        #expect(try site.folder.read("name.bin") == bytes)
    }
}
