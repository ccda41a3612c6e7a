import Glibc
import Linux
import UploadModel

// Compares journals and data files, and changes nothing. It may run beside the server: a finding that may come from a
// change in progress is checked again.

extension VerifyReport.Finding {
    /// - Parameter file: its name in the state folder.
    init(file: String, upload: UploadID?, text: String) {
        self.init(object: file, upload: upload, text: text)
    }
}

extension LocalStore {
    /// Checks every upload.
    ///
    /// - Throws: `StoreError` if the state folder can't be read.
    package func verify() throws(StoreError) -> VerifyReport {
        var report = VerifyReport()
        var wanted: Set<String> = []
        for name in try journals() {
            do throws(FileError) {
                if let data = try verify(journal: name, &report) { wanted.insert(data) }
            } catch {
                report.findings.append(.init(file: name, upload: nil, text: "cannot be read: \(errorText(error.code))"))
            }
        }
        for name in try onDisk({ () throws(FileError) in try state.names() }).sorted()
        where name.hasSuffix(UploadFiles.dataSuffix) && !wanted.contains(name) {
            do throws(FileError) {
                guard try isOrphan(name) else { continue }
                let text = "belongs to no upload; a sweep removes it once it is an hour old"
                report.findings.append(.init(object: name, upload: nil, text: text))
            } catch {
                let text = "cannot be compared with its journal: \(errorText(error.code))"
                report.findings.append(.init(object: name, upload: nil, text: text))
            }
        }
        return report
    }

    /// True if the data file belongs to no journal, including those that were begun since the list was made.
    private func isOrphan(_ data: String) throws(FileError) -> Bool {
        let key = data.prefix { $0 != "-" }
        if let file = try state.openToInspect(key + UploadFiles.journalSuffix), let journal = try settledJournal(file),
            let id = journal.header.uploadID,
            UploadFiles(key: UploadKey(id), nonce: journal.header.nonce).data == data
        {
            return false
        }
        guard let file = try state.openToInspect(data) else { return false }
        // A file that is being received in one chunk is locked. One that may only be read cannot be locked.
        guard (try? file.lock(offset: 0, length: 0, wait: false)) != false else { return false }
        return try state.status(data) != nil
    }

    /// The journal in a file. If it isn't valid, another process may be writing it: it is read again after a moment.
    private func settledJournal(
        _ file: any File, visit: (_ record: JournalRecord, _ number: Int) -> Void = { _, _ in }
    ) throws(FileError) -> Journal? {
        if let journal = try Journal.read(file, visit: visit) { return journal }
        usleep(100_000)
        // A file that may only be read cannot be locked.
        _ = try? file.lock(offset: 0, length: 1, wait: true)
        defer { file.unlock(offset: 0, length: 1) }
        return try Journal.read(file, visit: visit)
    }

    /// - Returns: the data file that belongs to the journal.
    private func verify(journal name: String, _ report: inout VerifyReport) throws(FileError) -> String? {
        guard let file = try state.openToInspect(name) else { return nil }
        var steps: [RangeHistory.Step] = []
        let journal = try settledJournal(file) { record, _ in
            switch record {
            case .held(let range, let checksum, _):
                steps.append(.init(range: range, isHeld: true, checksum: checksum, number: steps.count))
            case .lost(let range):
                steps.append(.init(range: range, isHeld: false, checksum: nil, number: steps.count))
            default: break
            }
        }
        guard let journal, let id = journal.header.uploadID else {
            guard try file.status().names > 0 else { return nil }
            report.findings.append(
                .init(file: name, upload: nil, text: "has no valid header; the next chunk begins a new upload"))
            return nil
        }
        report.uploads += 1
        func found(_ file: String, _ text: String) {
            report.findings.append(.init(file: file, upload: id, text: text))
        }
        let files = UploadFiles(key: UploadKey(id), nonce: journal.header.nonce)
        if name != files.journal { found(name, "has the name of another upload; it is not used") }
        let size = try file.status().size
        if size > journal.position {
            // A record that is being written looks the same.
            if let again = try Journal.read(file), again.records == journal.records, try file.status().size == size {
                found(name, "has \(size - journal.position) bytes after its last valid record; they are ignored")
            }
        }
        guard let data = try state.openToInspect(files.data) else {
            if try isMissing(files, file, id) {
                found(files.data, "is missing; the next chunk begins a new upload")
            }
            return files.data
        }
        if journal.isPublished {
            found(files.data, "still exists although the upload is finished")
            return files.data
        }
        for record in LocalStore.lasting(steps) {
            // The ranges of a forged journal may have more bytes than 64 bits can count.
            report.bytes &+= record.range.length
            if data.matches(record) { continue }
            let now = try Journal.read(file)
            if now?.losses == journal.losses && now?.isPublished == false {
                found(
                    files.data,
                    "does not have the bytes that the journal records from \(record.range.start) to \(record.range.end)"
                )
            }
        }
        return files.data
    }

    /// The held ranges of which no byte was removed later, in order.
    private static func lasting(_ steps: [RangeHistory.Step]) -> [Journal.HeldRecord] {
        var lost = ByteRangeSet()
        var lasting: [Journal.HeldRecord] = []
        for step in steps.reversed() {
            if !step.isHeld {
                lost.insert(step.range)
            } else if lost.intersection(step.range).isEmpty {
                lasting.append(.init(range: step.range, checksum: step.checksum ?? 0, index: step.number))
            }
        }
        return lasting.reversed()
    }

    /// True if an upload's data file is missing. Locks the journal, so that no other process is beginning or publishing
    /// the upload.
    private func isMissing(_ files: UploadFiles, _ file: any File, _ id: UploadID) throws(FileError) -> Bool {
        _ = try? file.lock(offset: 0, length: 1, wait: true)
        defer { file.unlock(offset: 0, length: 1) }
        guard try file.status().names > 0, try state.status(files.data) == nil, let journal = try Journal.read(file),
            !journal.isPublished,
            let destination = try? Destination(
                id, relativePath: journal.header.relativePath, layout: settings.layout)
        else { return false }
        return try !isRenamed(journal, destination)
    }
}
