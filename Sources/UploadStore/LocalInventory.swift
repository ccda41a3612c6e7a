import UploadModel

extension LocalStore {
    package func visitUploads(
        _ visit: (UploadSummary) -> Void, unreadable: (StoreError) -> Void
    ) throws(StoreError) {
        try visitJournals(visit, unreadable)
        try visitRecords { visit(UploadSummary($0, layout: settings.layout)) }
    }

    package func visitUnfinished(
        _ visit: (UploadSummary) -> Void, unreadable: (StoreError) -> Void
    ) throws(StoreError) {
        try visitJournals({ if $0.isUnderWay { visit($0) } }, unreadable)
    }

    private func visitJournals(
        _ visit: (UploadSummary) -> Void, _ unreadable: (StoreError) -> Void
    ) throws(StoreError) {
        var failure: StoreError?
        var isAnyRead = false
        for name in try journals() {
            do throws(StoreError) {
                let summary = try onDisk { () throws(FileError) -> UploadSummary? in
                    guard let file = try state.openToInspect(name), let journal = try Journal.read(file) else {
                        return nil
                    }
                    return UploadSummary(journal, touched: try file.status().modified, layout: settings.layout)
                }
                isAnyRead = true
                if let summary { visit(summary) }
            } catch {
                failure = error
                unreadable(error)
            }
        }
        // An empty list would be wrong.
        if let failure, !isAnyRead { throw failure }
    }

    /// Counts the data files in the state folder: an upload has one until it ends.
    package func countUnderWay() throws(StoreError) -> Int {
        try onDisk { () throws(FileError) in try state.names() }.count { $0.hasSuffix(UploadFiles.dataSuffix) }
    }
}

extension UploadSummary {
    /// Nil if the journal's texts break the rules for names. The store never writes such a journal.
    init?(_ journal: Journal, touched: UInt64, layout: Layout) {
        guard let id = journal.header.uploadID else { return nil }
        let begun = journal.header.begun
        guard case .done(let number, _, let time) = journal.publication else {
            self.init(
                id: id, size: journal.size, held: journal.held.count, begun: begun, touched: touched,
                metadata: journal.metadata)
            return
        }
        let destination = try? Destination(id, relativePath: journal.header.relativePath, layout: layout)
        self.init(
            id: id, size: journal.size, held: journal.size ?? 0, begun: begun, touched: touched, finished: time,
            path: destination?.path(number), metadata: journal.metadata)
    }
}
