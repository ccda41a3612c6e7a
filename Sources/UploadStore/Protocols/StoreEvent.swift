/// An event in the life of an upload, for logs, counters and the dispatcher of events.
///
/// The process that caused an event reports it, once. Other processes that share the store do not hear of it, and if
/// the process dies first, the event is lost. Deliveries to recipients, which must not be lost, come from the outbox.
package enum StoreEvent: Sendable, Equatable {
    /// An upload was begun; nothing of it is held yet.
    case begun(UploadSummary)
    /// The file has its final name, durably.
    case finished(UploadSummary)
    /// A file that came in one chunk was begun, and has its final name, durably. Told in place of the two before.
    case received(UploadSummary)
    /// An unfinished upload was removed.
    case removed(UploadSummary, RemovalCause)
    /// The record of a finished upload has expired. Its file stays.
    case forgotten(UploadSummary)
    /// After a power cut, the ranges in doubt were compared with their checksums. `lostRanges` of them were lost, and
    /// clients will send them again.
    case recovered(UploadSummary, lostRanges: Int)
    /// An upload has as many separate ranges as it may have: chunks that touch none of them have to wait. Told once
    /// while a process has the upload open.
    case scattered(UploadSummary)
    /// Something an operator should know although no request fails; not repeated while it lasts.
    case notice(String)
}

/// Why an unfinished upload was removed.
package enum RemovalCause: String, Sendable, Equatable, CaseIterable {
    /// No client has sent to it for too long.
    case expired
    /// Its client asked for it.
    case givenUp
    /// An upload of the same name with another size took its place.
    case superseded
    /// Nothing of it could be trusted any more: a sync failed, or its data was gone.
    case lost
    /// It held nearly nothing, and space was short.
    case space
}

/// Receives events, on the thread that caused them and often under a lock: must be quick and must not call the store.
package typealias StoreObserver = @Sendable (StoreEvent) -> Void
