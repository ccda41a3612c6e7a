import Linux
import UploadModel

// A new upload that begins in the place of a finished one (`Superseding`) may turn out to be the same file: its first
// chunk was damaged on its way or broke off, and was then sent again as it should be. That shows only when the upload is
// complete. So the header of its journal names the finished file, with a digest of the checksums in that upload's
// journal. If the checksums of the new upload have the same digest, and the finished file stands in its place, the new
// upload gets that file's name, and its own data file goes. No file is read for that. Two journals with different
// ranges, because the file was cut in another way, are not comparable; then the new file gets a number.

/// A finished file in whose place an upload began.
struct EarlierFile: Sendable, Equatable {
    /// The number in its name.
    var number: UInt64
    var inode: UInt64
    /// When it was finished, in Unix seconds. A file that was modified later has other bytes.
    var finished: UInt64
    /// `Journal.digest` of its upload.
    var digest: UInt64
}

extension EarlierFile {
    /// How many of them an upload knows, the latest ones.
    fileprivate static let maximumCount = 4

    fileprivate init?(_ text: Substring) {
        let numbers = text.split(separator: ":").compactMap { UInt64($0, radix: 16) }
        guard numbers.count == 4 else { return nil }
        self.init(number: numbers[0], inode: numbers[1], finished: numbers[2], digest: numbers[3])
    }

    fileprivate var text: String {
        [number, inode, finished, digest].map { String($0, radix: 16) }.joined(separator: ":")
    }
}

extension JournalHeader {
    /// The finished files that the upload may turn out to be.
    var earlierFiles: [EarlierFile] {
        get { (texts.count > 8 ? texts[8] : "").split(separator: " ").compactMap { EarlierFile($0) } }
        set {
            while texts.count < 9 { texts.append("") }
            texts[8] = newValue.suffix(EarlierFile.maximumCount).map(\.text).joined(separator: " ")
            while texts.last?.isEmpty == true { texts.removeLast() }
        }
    }
}

extension LocalStore {
    /// The finished files that a new upload in the place of a finished one may turn out to be.
    ///
    /// - Parameters:
    ///   - journal: the file of the finished upload's journal.
    ///   - finished: the finished file.
    ///   - offset: where the chunk lies that differs from it. The site may have changed the file, and not the client:
    ///     then the file has not the bytes that its journal says, and nothing is known of the rest.
    func earlierFiles(
        _ journal: any File, _ finished: any File, differingAt offset: UInt64
    ) throws(StoreError) -> [EarlierFile] {
        try onDisk { () throws(FileError) in
            guard let (journal, ranges) = try Journal.uploadedRanges(in: journal),
                case .done(let number, let inode, let time) = journal.publication
            else { return [] }
            guard let ranges,
                let differing = ranges.first(where: { $0.range.start <= offset && offset < $0.range.end }),
                finished.matches(differing)
            else { return journal.header.earlierFiles }
            return journal.header.earlierFiles
                + [EarlierFile(number: number, inode: inode, finished: time, digest: Journal.digest(ranges))]
        }
    }

    /// Finishes a complete upload that has turned out to be a file that is finished already. The caller has locked its
    /// data file.
    ///
    /// - Returns: that file's path below the root; nil if there is no such file.
    func publishAsEarlier(_ upload: Upload, size: UInt64) throws(StoreError) -> String? {
        guard let known = try upload.look({ $0.header.earlierFiles }), !known.isEmpty else { return nil }
        let earlier = try onDisk { () throws(FileError) -> EarlierFile? in
            guard let file = try state.open(upload.files.journal),
                let (_, ranges) = try Journal.uploadedRanges(in: file), let ranges
            else { return nil }
            let digest = Journal.digest(ranges)
            for earlier in known where earlier.digest == digest {
                if try stands(earlier, of: upload, size: size) { return earlier }
            }
            return nil
        }
        guard let earlier else { return nil }
        var isDone = false
        _ = try upload.change { journal throws(FileError) in
            guard journal.coversFile, !journal.isPublished else { return }
            try recordPublished(&journal, number: earlier.number, inode: earlier.inode)
            try journal.sync()
            isDone = true
        }
        guard isDone else { throw .busy }
        // A sweep removes it if this fails.
        try? state.remove(upload.files.data)
        return upload.destination.path(earlier.number)
    }

    private func stands(_ earlier: EarlierFile, of upload: Upload, size: UInt64) throws(FileError) -> Bool {
        let name = upload.destination.filename.numbered(earlier.number)
        do throws(FileError) {
            guard let status = try upload.destination.open(from: root)?.status(name) else { return false }
            return status.isRegular && status.inode == earlier.inode && status.size == size
                && status.modified <= earlier.finished
        } catch {
            if error.isNotAFolder { return false }
            throw error
        }
    }
}

extension Journal {
    /// Reads a journal, and works out which of its records tell the bytes of the file.
    ///
    /// - Returns: the journal, and the ranges with their checksums in order of their places, without what was sent
    ///   again after the file was finished; nil for the ranges if some bytes have no checksum of their own. Nil if there
    ///   is no valid journal.
    fileprivate static func uploadedRanges(
        in file: any File
    ) throws(FileError) -> (journal: Journal, ranges: [HeldRecord]?)? {
        var history = RangeHistory()
        var isPublished = false
        let journal = try read(file) { record, number in
            switch record {
            case .held(let range, let checksum, isProvisional: false) where !isPublished:
                history.append(.init(range: range, isHeld: true, checksum: checksum, number: number))
            case .lost(let range):
                history.append(.init(range: range, isHeld: false, checksum: nil, number: number))
            case .published:
                isPublished = true
            default:
                break
            }
        }
        guard let journal else { return nil }
        if journal.hasAdopted { return (journal, nil) }
        var ranges: [HeldRecord] = []
        for (step, remaining) in history.remaining() {
            guard remaining == [step.range], let checksum = step.checksum else { return (journal, nil) }
            ranges.append(HeldRecord(range: step.range, checksum: checksum, index: step.number))
        }
        return (journal, ranges.sorted { $0.range.start < $1.range.start })
    }

    /// A checksum of ranges and their checksums.
    fileprivate static func digest(_ ranges: [HeldRecord]) -> UInt64 {
        let numbers = ranges.flatMap { [$0.range.start, $0.range.length, $0.checksum] }
        return numbers.map(\.littleEndian).withUnsafeBytes { Checksum.of($0) }
    }
}
