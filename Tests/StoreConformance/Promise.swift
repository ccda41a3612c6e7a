import Testing

/// One promise that every store keeps: a sentence, and the check of it.
///
/// The promises are those of PROTOCOL.md ("Promises") and of the protocols in UploadStore/Protocols. A test target runs
/// them all over a store of its own:
///
///     @Test("The store keeps its promise", arguments: Promise.all)
///     func keeps(_ promise: Promise) throws { try promise.check(MyStoreUnderTest()) }
package struct Promise: Sendable, CustomTestStringConvertible {
    package let title: String
    private let body: @Sendable (any StoreUnderTest) throws -> Void

    init(_ title: String, _ body: @escaping @Sendable (any StoreUnderTest) throws -> Void) {
        self.title = title
        self.body = body
    }

    package var testDescription: String { title }

    /// Checks the promise on an empty store.
    package func check(_ store: any StoreUnderTest) throws { try body(store) }

    /// All promises.
    package static let all =
        chunks + completion + uploads + counted + events + inventory

    /// The promises of a store that takes chunks with sizes only.
    package static let withoutCounts = chunks + completion + uploads + events + inventory
}
