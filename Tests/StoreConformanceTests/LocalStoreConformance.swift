import Glibc
import Linux
import StoreConformance
import Synchronization
import TestSupport
import Testing
import UploadStore

/// The local store on a folder of the real file system.
private final class LocalStoreUnderTest: StoreUnderTest {
    private let folder: TemporaryFolder
    private let time = Atomic(UInt64(Glibc.time(nil)))
    private let isReopening: Bool

    /// - Parameter isReopening: true for the store of the server, which follows its folder's path.
    init(isReopening: Bool = false) throws {
        folder = try TemporaryFolder()
        self.isReopening = isReopening
    }

    func open(
        _ settings: StoreSettings, observe: @escaping StoreObserver, admit: @escaping Admission
    ) throws -> any ManagedStore {
        let open = { @Sendable [self] (root: LinuxDirectory) throws(StoreError) -> LocalStore in
            try LocalStore(
                root: root, boot: BootID(low: 1, high: 0), settings: settings,
                now: { [self] in time.load(ordering: .relaxed) }, observe: observe, admit: admit)
        }
        if isReopening { return try ReopeningStore(path: folder.path, observe: observe, open: open) }
        return try open(LinuxDirectory.root(folder.path))
    }

    func files() -> [String] { files(in: "").sorted() }

    private func files(in parent: String) -> [String] {
        folder.names(in: parent).filter { $0 != LocalStore.stateFolder }.flatMap { name in
            let path = parent + name
            let inner = files(in: path + "/")
            return inner.isEmpty ? [path] : inner
        }
    }

    func bytes(of path: String) throws -> [UInt8]? { try? folder.read(path) }

    func wait(seconds: UInt64) { time.add(seconds, ordering: .relaxed) }
}

@Suite struct LocalStoreConformance {
    @Test("The local store keeps its promise", arguments: Promise.all)
    func keeps(_ promise: Promise) throws {
        try promise.check(LocalStoreUnderTest())
    }

    @Test("The local store that follows its folder's path keeps its promise", arguments: Promise.all)
    func keepsReopening(_ promise: Promise) throws {
        try promise.check(LocalStoreUnderTest(isReopening: true))
    }
}
