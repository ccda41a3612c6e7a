import Glibc
import Linux
package import UploadModel

// Checks journals and data files against each other, and changes nothing. It may run beside the server: what looks wrong
// because it was changing is looked at again.

/// What a verification found.
package struct VerifyReport: Sendable {
    /// How many uploads were looked at, finished ones included.
    package var uploads = 0
    /// How many bytes were compared with their checksums.
    package var bytes: UInt64 = 0
    /// What is not as it should be.
    package var findings: [Finding] = []

    /// One thing that is not as it should be.
    package struct Finding: Sendable, Equatable {
        /// The file's name in the state folder.
        package let file: String
        /// The upload it belongs to; nil where that can't be told.
        package let upload: UploadID?
        /// What is wrong with it, and what will become of it.
        package let text: String
    }
}

extension LocalStore {
    /// Looks at every upload.
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
            guard try onDisk({ () throws(FileError) in try isOrphan(name) }) else { continue }
            report.findings.append(
                .init(file: name, upload: nil, text: "belongs to no upload; a sweep removes it once it is an hour old"))
        }
        return report
    }

    /// True if no journal speaks of that data file, also none that was begun meanwhile.
    private func isOrphan(_ data: String) throws(FileError) -> Bool {
        let key = data.prefix { $0 != "-" }
        if let file = try state.open(key + UploadFiles.journalSuffix), let journal = try settledJournal(file),
            let id = journal.header.uploadID,
            UploadFiles(key: UploadKey(id), nonce: journal.header.nonce).data == data
        {
            return false
        }
        return try state.status(data) != nil
    }

    /// The journal in a file. Where there is none, somebody may just be beginning it: it is looked at again.
    private func settledJournal(
        _ file: any File, visit: (JournalRecord) -> Void = { _ in }
    ) throws(FileError) -> Journal? {
        if let journal = try Journal.read(file, visit: visit) { return journal }
        usleep(100_000)
        _ = try file.lock(offset: 0, length: 1, wait: true)
        defer { file.unlock(offset: 0, length: 1) }
        return try Journal.read(file, visit: visit)
    }

    /// - Returns: the data file that belongs to the journal.
    private func verify(journal name: String, _ report: inout VerifyReport) throws(FileError) -> String? {
        guard let file = try state.open(name) else { return nil }
        var records: [Journal.HeldRecord] = []
        let journal = try settledJournal(file) { record in
            switch record {
            case .held(let range, let checksum):
                records.append(Journal.HeldRecord(range: range, checksum: checksum, index: 0))
            case .lost(let lost): records.removeAll { $0.range.start < lost.end && lost.start < $0.range.end }
            default: break
            }
        }
        guard let journal, let id = journal.header.uploadID else {
            guard try file.status().names > 0 else { return nil }
            report.findings.append(
                .init(file: name, upload: nil, text: "has no valid header; the upload begins anew with its next chunk"))
            return nil
        }
        report.uploads += 1
        func found(_ file: String, _ text: String) {
            report.findings.append(.init(file: file, upload: id, text: text))
        }
        let files = UploadFiles(key: UploadKey(id), nonce: journal.header.nonce)
        if name != files.journal { found(name, "has another upload's name; it is not used") }
        let size = try file.status().size
        if size > journal.position {
            // A record that is just being written looks the same.
            if let again = try Journal.read(file), again.records == journal.records, try file.status().size == size {
                found(name, "has \(size - journal.position) bytes behind its last valid record; they don't count")
            }
        }
        guard let data = try state.open(files.data) else {
            if try isMissing(files, file, id) {
                found(files.data, "is missing; the upload begins anew with its next chunk")
            }
            return files.data
        }
        if journal.isPublished {
            found(files.data, "is still there though the file is finished")
            return files.data
        }
        for record in records {
            // A journal that lies may speak of more bytes than 64 bits can count.
            report.bytes &+= record.range.length
            if data.matches(record) { continue }
            let now = try Journal.read(file)
            if now?.losses == journal.losses && now?.isPublished == false {
                found(
                    files.data,
                    "does not have the bytes that the journal has recorded from \(record.range.start) to \(record.range.end)"
                )
            }
        }
        return files.data
    }

    /// True if an upload's data file is gone for good: looked at while nobody can be beginning or publishing it.
    private func isMissing(_ files: UploadFiles, _ file: any File, _ id: UploadID) throws(FileError) -> Bool {
        _ = try file.lock(offset: 0, length: 1, wait: true)
        defer { file.unlock(offset: 0, length: 1) }
        guard try file.status().names > 0, try state.status(files.data) == nil, let journal = try Journal.read(file),
            !journal.isPublished,
            let destination = try? Destination(
                id, relativePath: journal.header.relativePath, layout: settings.layout)
        else { return false }
        return try !isRenamed(journal, destination)
    }
}
