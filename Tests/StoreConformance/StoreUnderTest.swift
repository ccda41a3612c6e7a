package import UploadStore

/// A store as the conformance suite sees it: what it keeps, and the clock that it goes by. A value stands for one empty
/// store; the suite makes a new one for each promise.
package protocol StoreUnderTest: Sendable {
    /// Opens the store, as one more process on it would.
    func open(
        _ settings: StoreSettings, observe: @escaping StoreObserver, admit: @escaping Admission
    ) throws -> any ManagedStore & EventStore

    /// Returns the paths of the finished files, sorted.
    func files() throws -> [String]

    /// Returns the bytes of a finished file; nil if there is none of that path.
    func bytes(of path: String) throws -> [UInt8]?

    /// Moves the clock forward. It starts at the time of the machine, or later.
    func wait(seconds: UInt64)
}

extension StoreUnderTest {
    func open(
        _ settings: StoreSettings = StoreSettings(), observe: @escaping StoreObserver = { _ in },
        admitting admit: @escaping Admission = { _, _ throws(StoreError) in }
    ) throws -> any ManagedStore & EventStore {
        try open(settings, observe: observe, admit: admit)
    }
}
