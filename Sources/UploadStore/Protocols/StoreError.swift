/// Why a store could not do what it was asked.
package enum StoreError: Error, Equatable {
    /// The chunk had fewer bytes than fit its place.
    case tooShort(received: UInt64, lengths: [UInt64])
    /// The chunk had more bytes than fit its place, or a number between the two that would fit.
    case wrongLength(received: UInt64, lengths: [UInt64])
    /// The upload has another size, in bytes.
    case sizeDiffers(known: UInt64)
    /// The file has turned out to be larger than the limit, in bytes.
    case tooLarge(limit: UInt64)
    /// The file is larger than all of the storage.
    case neverFits(size: UInt64)
    /// Another file has the name and must not be replaced.
    case nameTaken
    /// The path leads into the store's own folder.
    case nameReserved
    /// The upload token allows `limit` files, and that many are begun.
    case quotaUsedUp(limit: Int)
    /// The file is complete, so there is no upload to remove.
    case finished
    /// The admission hook refused the upload, for this reason.
    case notAdmitted(String)
    /// The admission hook could not decide.
    case undecided
    /// The admission hook has no room for the upload now, for this reason; the client may try again after `seconds`.
    case postponed(String, seconds: Int)
    /// Another request writes to the same range and did not end in time, or wrote other bytes.
    case busy
    /// The upload has as many separate ranges as it may have, and the chunk touches none of them. It is accepted after
    /// others have closed gaps.
    case scattered
    /// The upload has as many records as it may have: its chunks are too small, or were sent with other bytes too
    /// often.
    case tooManyRecords
    /// The request states no sizes, and this store cannot take a chunk without them.
    case sizesMissing
    /// The storage or its quota is full.
    case full(StoreCause)
    /// The storage failed.
    case failed(StoreCause)
    /// The storage's place is empty or taken by another one, such as a disk that was mounted there.
    case replaced(StoreCause)
    /// The storage could not make bytes durable: nothing of the upload can be trusted, so it was removed.
    case untrusted(StoreCause)
    /// There is no memory.
    case noMemory
}

/// The cause of a failure as the store's storage reported it, in words for the log. It may name internals of the store,
/// so no client sees it.
package struct StoreCause: Sendable, Equatable, CustomStringConvertible {
    /// One line.
    package let description: String
    /// The trouble in a few words that anybody may read, for a load balancer's log; nil if nothing more is known.
    package let summary: String?

    package init(_ description: String, summary: String? = nil) {
        self.description = description
        self.summary = summary
    }
}

/// The kinds of trouble with a store or its storage, by which metrics count errors.
package enum StoreFault: String, Sendable, CaseIterable {
    /// The storage or its quota is full, or the minimum of free space is reached.
    case full
    /// The storage failed.
    case failed
    /// A sync failed, and an upload was removed.
    case sync
    /// There is no memory.
    case memory
}

extension StoreError {
    /// The trouble with the store; nil if the request is to blame.
    package var fault: StoreFault? {
        switch self {
        case .full: .full
        case .failed, .replaced: .failed
        case .untrusted: .sync
        case .noMemory: .memory
        default: nil
        }
    }

    /// The reason for the log; nil if the request is to blame, for which the case says everything.
    package var cause: StoreCause? {
        switch self {
        case .full(let cause), .failed(let cause), .replaced(let cause), .untrusted(let cause): cause
        case .noMemory: StoreCause("no memory")
        default: nil
        }
    }
}

extension StoreError: CustomStringConvertible {
    /// For logs and terminals.
    package var description: String {
        if let cause { return cause.description }
        return switch self {
        case .tooShort(let received, let lengths): "\(received) bytes instead of \(lengths)"
        case .wrongLength(let received, let lengths): "\(received) bytes instead of \(lengths)"
        case .sizeDiffers(let known): "the upload has a size of \(known) bytes"
        case .tooLarge(let limit): "the file is larger than \(limit) bytes"
        case .neverFits(let size): "a file of \(size) bytes is larger than the storage"
        case .nameTaken: "another file has the name"
        case .nameReserved: "the path is reserved"
        case .quotaUsedUp(let limit): "the upload token allows \(limit) files"
        case .finished: "the file is complete"
        case .notAdmitted(let reason), .postponed(let reason, _): reason
        case .undecided: "the admission hook could not decide"
        case .busy: "another request is using the upload"
        case .scattered: "the upload has too many separate ranges"
        case .tooManyRecords: "the upload has too many records"
        case .sizesMissing: "the request states no sizes"
        case .full, .failed, .replaced, .untrusted, .noMemory: "the storage failed"
        }
    }
}
