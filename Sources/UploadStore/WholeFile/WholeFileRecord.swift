import UploadModel

/// The record of a file that came in one chunk, in an extended attribute of the file itself
/// (`WholeFileRecord+Encoding.swift`).
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
    /// A digest of the boot in which the file was published.
    let bootDigest: UInt32
    let inode: UInt64
    /// When the file was published, in Unix seconds.
    let time: UInt64
    /// True once the file's name survives a power cut.
    var isPublished = false

    /// True if the file was published in that boot.
    func isOf(_ boot: BootID) -> Bool { bootDigest == boot.digest }

    /// The bytes of the upload's journal.
    ///
    /// - Parameter boot: the current boot.
    func journal(in boot: BootID) -> [UInt8] {
        // Of another boot it is only known that it was another one.
        let published = isOf(boot) ? boot : BootID(low: ~boot.low, high: ~boot.high)
        var records: [JournalRecord] = [.boot(published)]
        if size > 0 { records.append(.held(ByteRange(first: size), checksum: checksum)) }
        if !metadata.isEmpty { records.append(.described(metadata)) }
        let count = records.reduce(0) { $0 + $1.encoded(seed: 0).count / JournalRecord.length }
        records += [.durable(records: UInt64(count)), .publishing(number: 0, inode: inode)]
        if isPublished {
            records.append(.published(number: 0, inode: inode, time: time))
        } else if isOf(boot) {
            // The publisher died, perhaps in a failed sync of the folder.
            records.append(.syncing)
        }
        var seed = header.nonce
        return header.encoded
            + records.flatMap { record in
                let bytes = record.encoded(seed: seed)
                seed = JournalRecord.seed(behind: bytes[...], seed)
                return bytes
            }
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
