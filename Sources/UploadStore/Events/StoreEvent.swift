/// What happens to the uploads of a store, for whoever watches over it: logs, counters, receivers of finished files.
///
/// Each event is told once, by the process whose act it was: where several processes share a root, each tells its own.
/// A process that dies behind its act has not told of it; what must not be missed is read from the journals.
package enum StoreEvent: Sendable, Equatable {
    /// An upload was begun; nothing is held of it yet.
    case begun(UploadSummary)
    /// The file stands under its final name, on disk.
    case finished(UploadSummary)
    /// An upload that was under way is gone, and why.
    case removed(UploadSummary, RemovalCause)
    /// The record of a finished upload has expired; its file stays.
    case forgotten(UploadSummary)
    /// After a power cut, what was in doubt has been compared with its checksums: so many ranges were lost and will be
    /// asked for again.
    case recovered(UploadSummary, lostRanges: Int)
    /// What an operator should know and no request fails of; at most once each.
    case notice(String)
}

/// Why an upload that was under way is gone.
package enum RemovalCause: String, Sendable, Equatable, CaseIterable {
    /// Nobody has sent to it for too long.
    case expired
    /// Its client said so.
    case givenUp
    /// Another one of its name with another size took its place.
    case superseded
    /// A sync failed, or its data was gone: nothing of it could be trusted any more.
    case lost
}

/// Is told of events, on the thread that caused them and often under a lock: must be quick, and must not call the store.
package typealias StoreObserver = @Sendable (StoreEvent) -> Void
