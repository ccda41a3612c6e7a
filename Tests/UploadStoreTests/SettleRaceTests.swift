import StoreTestSupport
import Testing
import UploadModel

@testable import UploadStore

// A publisher renames without the journal's lock. Another request at the same time, at whichever disk call, must not
// find the file lost, nor remove the upload.

@Suite struct SettleRaceTests {
    private let bytes = content(10)

    /// An upload that is complete and announced, but not yet renamed; and the publisher's next step.
    private struct Scene {
        let disk = MemoryDisk()
        let id: UploadID
        let rename: @Sendable () -> Void
        /// The publisher's opening, with a lock on the whole file.
        private let opened: any File

        init(_ bytes: [UInt8]) throws {
            id = try uploadID()
            let store = try Scene.store(disk)
            try store.send(Chunk.all(of: 10, size: 4)[0], of: bytes, as: id)
            let key = UploadKey(id)
            let file = try #require(try store.state.open(key.journal))
            var journal = try #require(try Journal.read(file))
            let data = UploadFiles(key: key, nonce: journal.header.nonce).data
            opened = try #require(try store.state.open(data))
            try #require(try opened.lock(offset: 0, length: 0, wait: false))
            let writing = bytes.withUnsafeBytes { [opened] bytes in
                Result { () throws(FileError) in try opened.write(bytes, at: 0) }
            }
            try writing.get()
            let checksum = bytes[4...].withUnsafeBytes { Checksum.of($0) }
            let inode = try opened.status().inode
            try journal.append([
                .held(ByteRange(4..<10), checksum: checksum), .publishing(number: 0, inode: inode),
            ])
            rename = { [root = store.root, state = store.state] in
                _ = try? state.rename(data, to: root, as: "name.bin", replacing: false)
            }
        }

        static func store(_ disk: MemoryDisk) throws -> LocalStore {
            try LocalStore(root: disk.root, boot: BootID(low: 1, high: 0)) { 1 << 40 }
        }
    }

    /// Runs `work` once for each of its disk calls, with the rename before that call.
    private func atEachCall(_ work: (LocalStore, UploadID) throws -> Void) throws {
        for call in 0..<500 {
            let scene = try Scene(bytes)
            let store = try Scene.store(scene.disk)
            scene.disk.interrupt(after: call, scene.rename)
            try? work(store, scene.id)
            let isOver = scene.disk.cancelInterruption()
            if isOver { scene.rename() }
            #expect(try Scene.store(scene.disk).status(of: scene.id)?.complete == true, "call \(call)")
            #expect(scene.disk.number(of: "name.bin") != nil, "call \(call)")
            if isOver {
                #expect(call > 5)
                return
            }
        }
        Issue.record("the work never ends")
    }

    @Test("A test while the file is being renamed finds it complete")
    func status() throws {
        try atEachCall { store, id in _ = try store.status(of: id) }
    }

    @Test("Recovery at the same time finds it complete, too")
    func recovery() throws {
        try atEachCall { store, _ in _ = store.recover() }
    }

    @Test("A sweep at the same time removes nothing")
    func sweep() throws {
        try atEachCall { store, _ in _ = store.sweep() }
    }
}
