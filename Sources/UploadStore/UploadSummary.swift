package import UploadModel

/// What an operator may want to know of one upload.
package struct UploadSummary: Sendable, Equatable {
    /// Identifier and file name, as the client says them.
    package let id: UploadID
    /// The size of the whole file in bytes; nil while no client has told it.
    package let size: UInt64?
    /// How many bytes are held.
    package let held: UInt64
    /// When it was begun, in Unix seconds.
    package let begun: UInt64
    /// When something was added to it last, in Unix seconds.
    package let touched: UInt64
    /// When the file got its final name, in Unix seconds; nil while the upload is under way.
    package let finished: UInt64?
    /// Where the finished file was put, below the root; nil while the upload is under way.
    package let path: String?
    /// What else the client says of the file.
    package let metadata: Metadata

    /// Nil if the journal's texts break the rules for names, which they don't unless somebody wrote them.
    init?(_ journal: Journal, touched: UInt64, layout: Layout) {
        guard let id = journal.header.uploadID else { return nil }
        self.id = id
        size = journal.size
        begun = journal.header.begun
        self.touched = touched
        metadata = journal.metadata
        if case .done(let number, _, let time) = journal.publication {
            held = journal.size ?? 0
            finished = time
            path = (try? Destination(id, relativePath: journal.header.relativePath, layout: layout))?.path(number)
        } else {
            held = journal.held.count
            finished = nil
            path = nil
        }
    }
}

extension LocalStore {
    /// All uploads, under way and finished, in the order in which they were begun. Changes nothing.
    ///
    /// - Throws: `StoreError` if the state folder can't be read. A journal that can't be is left out; `verify` tells.
    package func uploads() throws(StoreError) -> [UploadSummary] {
        var summaries: [UploadSummary] = []
        for name in try journals() {
            let summary = try? onDisk { () throws(FileError) -> UploadSummary? in
                guard let file = try state.open(name), let journal = try Journal.read(file) else { return nil }
                return UploadSummary(journal, touched: try file.status().modified, layout: settings.layout)
            }
            if let summary = summary ?? nil { summaries.append(summary) }
        }
        return summaries.sorted { ($0.begun, $0.id.identifier) < ($1.begun, $1.id.identifier) }
    }
}
