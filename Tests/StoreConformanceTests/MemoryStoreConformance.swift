import Glibc
import Linux
import StoreConformance
import Synchronization
import Testing
import UploadStore

/// A store in memory. Processes on it are objects that share a `SharedMemory`.
private final class MemoryStoreUnderTest: StoreUnderTest {
    private let memory = SharedMemory()
    private let time = Atomic(UInt64(Glibc.time(nil)))

    func open(
        _ settings: StoreSettings, observe: @escaping StoreObserver, admit: @escaping Admission
    ) -> any ManagedStore {
        MemoryStore(
            memory, settings, now: { [self] in time.load(ordering: .relaxed) }, observe: observe, admit: admit)
    }

    func files() -> [String] { memory.contents.withLock { $0.files.keys.sorted() } }

    func bytes(of path: String) -> [UInt8]? { memory.contents.withLock { $0.files[path] } }

    func wait(seconds: UInt64) { time.add(seconds, ordering: .relaxed) }
}

@Suite struct MemoryStoreConformance {
    @Test("A store in memory keeps its promise", arguments: Promise.all)
    func keeps(_ promise: Promise) throws {
        try promise.check(MemoryStoreUnderTest())
    }
}
