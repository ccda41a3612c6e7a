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

    init() throws { folder = try TemporaryFolder() }

    func open(
        _ settings: StoreSettings, observe: @escaping StoreObserver, admit: @escaping Admission
    ) throws -> any ManagedStore & EventStore {
        try LocalStore(
            root: LinuxDirectory.root(folder.path), boot: BootID(low: 1, high: 0), settings: settings,
            now: { [self] in time.load(ordering: .relaxed) }, observe: observe, admit: admit)
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
}
