package import UploadModel

/// Lists a store's uploads, for status pages, metrics and limits. Changes nothing.
package protocol UploadInventory: Sendable {
    /// Calls `visit` once for each upload, unfinished and finished, in any order. A finished upload is there until its
    /// record expires.
    ///
    /// - Parameter unreadable: called for each upload whose record cannot be read.
    /// - Throws: `StoreError` if the store cannot list its uploads, or can read none of their records.
    func visitUploads(
        _ visit: (UploadSummary) -> Void, unreadable: (StoreError) -> Void
    ) throws(StoreError)

    /// Calls `visit` once for each unfinished upload, as `visitUploads` does. May cost much less.
    func visitUnfinished(
        _ visit: (UploadSummary) -> Void, unreadable: (StoreError) -> Void
    ) throws(StoreError)

    /// Returns how many uploads are unfinished, whichever process takes them. Costs much less than a visit.
    func countUnderWay() throws(StoreError) -> Int
}

extension UploadInventory {
    package func visitUnfinished(
        _ visit: (UploadSummary) -> Void, unreadable: (StoreError) -> Void
    ) throws(StoreError) {
        try visitUploads({ if $0.isUnderWay { visit($0) } }, unreadable: unreadable)
    }

    /// Visits all uploads but those whose record cannot be read.
    package func visitUploads(_ visit: (UploadSummary) -> Void) throws(StoreError) {
        try visitUploads(visit, unreadable: { _ in })
    }

    /// Returns all uploads in the order in which they were begun.
    package func uploads(unreadable: (StoreError) -> Void = { _ in }) throws(StoreError) -> [UploadSummary] {
        var uploads: [UploadSummary] = []
        try visitUploads({ uploads.append($0) }, unreadable: unreadable)
        uploads.sort { $0.isBegunBefore($1) }
        return uploads
    }

    /// Returns the unfinished uploads in the order in which they were begun.
    package func uploadsUnderWay(unreadable: (StoreError) -> Void = { _ in }) throws(StoreError) -> [UploadSummary] {
        var uploads: [UploadSummary] = []
        try visitUnfinished({ uploads.append($0) }, unreadable: unreadable)
        uploads.sort { $0.isBegunBefore($1) }
        return uploads
    }
}

/// A description of one upload for operators.
package struct UploadSummary: Sendable, Equatable {
    /// Identifier, file name and owner.
    package let id: UploadID
    /// The size of the whole file in bytes; nil while no client has stated it.
    package let size: UInt64?
    /// The number of bytes that are held.
    package let held: UInt64
    /// When it was begun, in Unix seconds.
    package let begun: UInt64
    /// When it last changed, in Unix seconds.
    package let touched: UInt64
    /// When the file got its final name, in Unix seconds; nil while the upload is under way.
    package let finished: UInt64?
    /// The finished file's path below the store's root; nil while the upload is under way.
    package let path: String?
    /// The client's metadata for the file.
    package let metadata: Metadata

    package init(
        id: UploadID, size: UInt64?, held: UInt64, begun: UInt64, touched: UInt64, finished: UInt64? = nil,
        path: String? = nil, metadata: Metadata = Metadata()
    ) {
        self.id = id
        self.size = size
        self.held = held
        self.begun = begun
        self.touched = touched
        self.finished = finished
        self.path = path
        self.metadata = metadata
    }

    /// True until the file has its final name.
    package var isUnderWay: Bool { finished == nil }

    /// Orders uploads by the time at which they were begun.
    fileprivate func isBegunBefore(_ other: UploadSummary) -> Bool {
        (begun, id.identifier) < (other.begun, other.id.identifier)
    }
}
