import Glibc
import Logging
import TestSupport
import Testing
import UploadModel
import UploadStore

@testable import Events

// Two dispatchers on one store, as in two processes, that run a real program.

@Suite struct DispatcherTests {
    private let folder: TemporaryFolder
    private let program: String

    init() throws {
        folder = try TemporaryFolder()
        program = folder.path + "/program"
        try folder.makeFolder("root")
        try folder.write(
            Array("#!/bin/sh\necho $RESUMABLED_EVENT_ID $RESUMABLED_SIZE >>\(folder.path)/told\n".utf8), to: "program")
        chmod(program, 0o700)
    }

    private func process() throws -> (store: LocalStore, dispatcher: Dispatcher) {
        let receivers = Dispatcher.Receivers(program: (program, 30))
        let dispatcher = Dispatcher(
            receivers, root: folder.path + "/root", environment: [],
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let store = try LocalStore(
            root: LinuxDirectory.existing(folder.path + "/root"), boot: BootID(low: 1, high: 0),
            settings: StoreSettings(recipients: receivers.recipients), now: { UInt64(time(nil)) },
            observe: dispatcher.observe)
        return (store, dispatcher)
    }

    /// Uploads a file of `size` bytes in one chunk.
    private func upload(_ size: UInt64, as name: String, to store: LocalStore) throws {
        let layout = try #require(ChunkLayout(number: 1, chunkSize: 100, total: size)?.settled(length: size))
        let id = try UploadID(identifier: name, filename: FileName(name, parameter: ""), parameter: "")
        let writer = try store.receive(
            ChunkRequest(upload: id, number: 1, place: .sized(total: size, chunkSize: 100, layout)))
        try [UInt8](repeating: 7, count: Int(size)).withUnsafeBytes { try writer.write($0) }
        _ = try writer.commit()
    }

    /// The lines that the program has written: an event's id and its file's size.
    private func told() -> [String] {
        let bytes = (try? folder.read("told")) ?? []
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private func waitUntilAllAreDelivered(_ store: LocalStore) throws {
        for _ in 0..<3000 {
            if try store.outbox.allEvents().isEmpty { return }
            usleep(20_000)
        }
        Issue.record("some events are not delivered")
    }

    @Test("While both are running, each event is delivered once")
    func together() throws {
        let (one, two) = (try process(), try process())
        #expect(one.dispatcher.start(one.store.outbox) && two.dispatcher.start(two.store.outbox))
        for number in 0..<24 { try upload(10, as: "name\(number)", to: number % 2 == 0 ? one.store : two.store) }
        try waitUntilAllAreDelivered(one.store)
        one.dispatcher.stop(within: 5)
        two.dispatcher.stop(within: 5)
        #expect(told().count == 24)
        #expect(Set(told()).count == 24)
    }

    @Test("Events of one upload are delivered in order, whichever process finishes it")
    func inOrder() throws {
        let (one, two) = (try process(), try process())
        for size in 1...9 { try upload(UInt64(size), as: "name", to: size % 2 == 0 ? one.store : two.store) }
        #expect(one.dispatcher.start(one.store.outbox) && two.dispatcher.start(two.store.outbox))
        for size in 10...18 { try upload(UInt64(size), as: "name", to: size % 2 == 0 ? one.store : two.store) }
        try waitUntilAllAreDelivered(one.store)
        one.dispatcher.stop(within: 5)
        two.dispatcher.stop(within: 5)
        #expect(told().compactMap { $0.split(separator: " ").last.flatMap { Int($0) } } == Array(1...18))
    }

    @Test("The next process delivers the events that one leaves when it stops")
    func left() throws {
        let first = try process()
        for number in 0..<5 { try upload(10, as: "name\(number)", to: first.store) }
        first.dispatcher.stop(within: 0)
        #expect(told().isEmpty)
        let next = try process()
        #expect(next.dispatcher.start(next.store.outbox))
        try waitUntilAllAreDelivered(next.store)
        next.dispatcher.stop(within: 5)
        #expect(Set(told()).count == 5)
    }
}
