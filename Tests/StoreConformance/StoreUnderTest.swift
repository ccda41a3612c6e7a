import Testing
package import UploadStore

/// A store as the conformance suite sees it: what it keeps, and the clock that it goes by. A value stands for one empty
/// store; the suite makes a new one for each promise.
package protocol StoreUnderTest: Sendable {
    /// Opens the store, as one more process on it would.
    func open(
        _ settings: StoreSettings, observe: @escaping StoreObserver, admit: @escaping Admission
    ) throws -> any ManagedStore

    /// Returns the paths of the finished files, sorted.
    func files() throws -> [String]

    /// Returns the bytes of a finished file; nil if there is none of that path.
    func bytes(of path: String) throws -> [UInt8]?

    /// How often to repeat what is left to chance, 1 and up.
    var repetitions: Int { get }

    /// Moves the clock forward. It starts at the time of the machine, or later.
    func wait(seconds: UInt64)
}

extension StoreUnderTest {
    package var repetitions: Int { 20 }

    func open(
        _ settings: StoreSettings = StoreSettings(), observe: @escaping StoreObserver = { _ in },
        admitting admit: @escaping Admission = { _, _ throws(StoreError) in }
    ) throws -> any ManagedStore {
        try open(settings, observe: observe, admit: admit)
    }
}

extension StoreUnderTest {
    /// Opens the store, for its events.
    func openForEvents(_ settings: StoreSettings = StoreSettings()) throws -> any ManagedStore & EventStore {
        try #require(try open(settings) as? any ManagedStore & EventStore)
    }
}
