import UploadModel

/// The record of a file that came in one chunk, in an extended attribute of the file itself.
///
///     0  1  version: 1
///     1  1  1 once the file's name survives a power cut
///     2  .  a journal (`JournalFormat`): the upload's header, then boot, held, described (if there is metadata),
///           durable, publishing, published
///
/// A copy or another version of the file may have the attribute, too. So the record counts only for the inode that it
/// names, under the name that the upload's file gets, and with the size that it states.
struct WholeFileRecord: Sendable {
    let header: JournalHeader
    let id: UploadID
    /// The size of the file in bytes.
    let size: UInt64
    /// The checksum of its bytes.
    let checksum: UInt64
    let metadata: Metadata
    /// The boot in which the file was published.
    let boot: BootID
    let inode: UInt64
    /// When the file was published, in Unix seconds.
    let time: UInt64
    /// True once the file's name survives a power cut.
    var isPublished = false

    private static let version: UInt8 = 1
    /// The longest record in bytes. ext4 has 4 KiB for all attributes of a file, a security label included.
    private static let maximumLength = 3 << 10

    /// True if a record with that header and metadata fits into an attribute.
    static func fits(_ header: JournalHeader, _ metadata: Metadata) -> Bool {
        let texts = header.texts.reduce(0) { $0 + $1.utf8.count + 4 }
        let described = metadata.pairs.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 8 }
        return 512 + texts + described <= maximumLength
    }

    /// The attribute.
    var encoded: [UInt8] {
        [WholeFileRecord.version, isPublished ? 1 : 0] + header.encoded
            + WholeFileRecord.encoded(publishing + [.published(number: 0, inode: inode, time: time)], header)
    }

    /// The bytes of the upload's journal.
    ///
    /// - Parameter boot: the current boot.
    func journal(in boot: BootID) -> [UInt8] {
        var records = publishing
        if isPublished {
            records.append(.published(number: 0, inode: inode, time: time))
        } else if self.boot == boot {
            // The publisher died, perhaps in a failed sync of the folder.
            records.append(.syncing)
        }
        return header.encoded + WholeFileRecord.encoded(records, header)
    }

    private var publishing: [JournalRecord] {
        var records: [JournalRecord] = [.boot(boot)]
        if size > 0 { records.append(.held(ByteRange(first: size), checksum: checksum)) }
        if !metadata.isEmpty { records.append(.described(metadata)) }
        let count = records.reduce(0) { $0 + $1.encoded(seed: 0).count / JournalRecord.length }
        return records + [.durable(records: UInt64(count)), .publishing(number: 0, inode: inode)]
    }

    private static func encoded(_ records: [JournalRecord], _ header: JournalHeader) -> [UInt8] {
        var seed = header.nonce
        var all: [UInt8] = []
        for record in records {
            let bytes = record.encoded(seed: seed)
            seed = JournalRecord.seed(behind: bytes[...], seed)
            all += bytes
        }
        return all
    }
}

extension WholeFileRecord {
    /// The record in an attribute; nil if the attribute is anything else.
    init?(_ attribute: [UInt8]) {
        guard attribute.count > 2, attribute[0] == WholeFileRecord.version else { return nil }
        var found: (header: JournalHeader, records: [JournalRecord])?
        attribute.withUnsafeBytes { bytes in
            var rest = UnsafeRawBufferPointer(rebasing: bytes[2...])
            guard let (header, length) = JournalHeader.decode(rest) else { return }
            rest = UnsafeRawBufferPointer(rebasing: rest[length...])
            var seed = header.nonce
            var records: [JournalRecord] = []
            while let (record, count) = JournalRecord.decode(rest, seed: seed) {
                let end = count * JournalRecord.length
                seed = JournalRecord.seed(behind: Array(rest[..<end])[...], seed)
                records.append(record)
                rest = UnsafeRawBufferPointer(rebasing: rest[end...])
            }
            found = (header, records)
        }
        // The journal of an upload that counts for a token is never made from an attribute, which others may write.
        guard let (header, records) = found, header.tokenID == nil, let id = header.uploadID, let size = header.size,
            case .boot(let boot)? = records.first,
            case .published(number: 0, let inode, let time)? = records.last
        else { return nil }
        var checksum: UInt64 = 0
        var metadata = Metadata()
        for record in records {
            switch record {
            case .held(_, let value, _): checksum = value
            case .described(let described): metadata = described
            default: break
            }
        }
        self.init(
            header: header, id: id, size: size, checksum: checksum, metadata: metadata, boot: boot, inode: inode,
            time: time, isPublished: attribute[1] == 1)
    }
}

extension UploadSummary {
    /// The upload of a finished file that has its record itself.
    init(_ record: WholeFileRecord, layout: Layout) {
        let destination = try? Destination(record.id, relativePath: record.header.relativePath, layout: layout)
        self.init(
            id: record.id, size: record.size, held: record.size, begun: record.header.begun, touched: record.time,
            finished: record.time, path: destination?.path(0), metadata: record.metadata)
    }
}
