import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// The state that is read from a journal, whole or damaged.

@Suite struct JournalTests {
    let folder: TemporaryFolder
    let directory: LinuxDirectory
    static let boot = BootID(low: 1, high: 2)
    static let header = JournalHeader(size: 100, nonce: 99, begun: 5, texts: ["id", "name"])

    init() throws {
        folder = try TemporaryFolder()
        directory = try LinuxDirectory.root(folder.path)
    }

    /// A journal of four records: boot, 0-10, 10-20, 50-60.
    private func begin() throws -> Journal {
        var journal = try Journal.begin(directory.create("journal"), header: Self.header, boot: Self.boot)
        for start in [0, 10, 50] { try journal.append([.held(ByteRange(start..<start + 10), checksum: 0)]) }
        return journal
    }

    private func read() throws -> Journal? {
        try Journal.read(try #require(try directory.open("journal")))
    }

    /// The held ranges after the first `count` records of `begin`.
    private func held(after count: Int) throws -> [ByteRange] {
        switch count {
        case ...1: []
        case 2: [try ByteRange(0..<10)]
        case 3: [try ByteRange(0..<20)]
        default: [try ByteRange(0..<20), try ByteRange(50..<60)]
        }
    }

    @Test("A journal that is read again has the same state")
    func readAgain() throws {
        let written = try begin()
        let journal = try #require(try read())
        #expect(journal.header == Self.header)
        #expect(journal.boot == Self.boot)
        #expect(journal.held == written.held)
        #expect(try journal.held.ranges == held(after: 4))
        #expect(!journal.coversFile)
    }

    @Test("A journal truncated at any byte is valid up to its last whole record, and the next writer removes the rest")
    func tornTail() throws {
        _ = try begin()
        let whole = try folder.read("journal")
        let headerLength = Self.header.encoded.count
        #expect(whole.count == headerLength + 4 * 32)
        for length in 0...whole.count {
            try folder.write(Array(whole[..<length]), to: "journal")
            guard length >= headerLength else {
                #expect(try read() == nil, "cut at \(length)")
                continue
            }
            let records = (length - headerLength) / 32
            var journal = try #require(try read())
            #expect(try journal.held.ranges == held(after: records), "cut at \(length)")
            try journal.append([.held(ByteRange(70..<80), checksum: 0)])
            #expect(try folder.read("journal").count == headerLength + (records + 1) * 32)
            #expect(try read()?.held.ranges == held(after: records) + [ByteRange(70..<80)], "cut at \(length)")
        }
    }

    @Test("A flipped bit in a record invalidates it and all records after it, for good")
    func flippedBit() throws {
        _ = try begin()
        let whole = try folder.read("journal")
        let headerLength = Self.header.encoded.count
        for position in headerLength..<whole.count {
            var bytes = whole
            bytes[position] ^= 0x10
            try folder.write(bytes, to: "journal")
            let valid = try held(after: (position - headerLength) / 32)
            #expect(try read()?.held.ranges == valid, "byte \(position)")
            // The record that is written in its place must not make those after it valid again.
            var journal = try #require(try read())
            try journal.append([.held(ByteRange(70..<80), checksum: 0)])
            #expect(try read()?.held.ranges == valid + [ByteRange(70..<80)], "byte \(position)")
        }
    }

    @Test("Records of another journal after the last record are invalid")
    func recordsOfAnother() throws {
        _ = try begin()
        let whole = try folder.read("journal")
        var records = [JournalRecord.boot(Self.boot)]
        for start in [0, 10, 50] { records.append(.held(try ByteRange(start..<start + 10), checksum: 0)) }
        records.append(.held(ByteRange(first: 100), checksum: 0))
        try folder.write(whole + records.encoded(nonce: 98).suffix(32), to: "journal")
        #expect(try read()?.held.ranges == held(after: 4))
        // In this journal it is.
        try folder.write(whole + records.encoded(nonce: 99).suffix(32), to: "journal")
        #expect(try read()?.held.ranges == [ByteRange(first: 100)])
    }

    @Test("Records that a power cut restores after a later record are invalid")
    func broughtBack() throws {
        _ = try begin()
        let whole = try folder.read("journal")
        for lost in 0..<4 {
            let place = Self.header.encoded.count + lost * 32
            try folder.write(Array(whole[..<place]), to: "journal")
            var journal = try #require(try read())
            try journal.append([.held(ByteRange(70..<80), checksum: 0)])
            let written = try folder.read("journal")
            try folder.write(written + whole[written.count...], to: "journal")
            #expect(try read()?.held.ranges == held(after: lost) + [ByteRange(70..<80)], "record \(lost)")
        }
    }

    @Test("Records that another opening of the journal appends are read")
    func refresh() throws {
        var first = try begin()
        var second = try #require(try read())
        try second.append([.lost(ByteRange(0..<5)), .publishing(number: 2, inode: 3)])
        try first.refresh()
        #expect(try first.held.ranges == [ByteRange(5..<20), ByteRange(50..<60)])
        #expect(first.losses == 1)
        #expect(first.publication == .announced(number: 2, inode: 3))
    }

    @Test("A journal of thousands of records is read whole", arguments: [2046, 2047, 2048, 5000])
    func manyRecords(count: Int) throws {
        var journal = try Journal.begin(directory.create("journal"), header: Self.header, boot: Self.boot)
        // Every second byte, so that no two ranges touch.
        let records = try (0..<count).map { JournalRecord.held(try ByteRange(2 * $0..<2 * $0 + 1), checksum: 0) }
        try journal.append(records)
        #expect(try read()?.held.ranges.count == count)
    }

    @Test("Only ranges that no `durable` record covers are doubtful")
    func doubtful() throws {
        var journal = try begin()
        #expect(try read()?.doubtful?.map(\.range) == [ByteRange(0..<10), ByteRange(10..<20), ByteRange(50..<60)])
        // The last was appended while the others were being synced.
        let records = UInt64(journal.records - 1)
        try journal.append([.durable(records: records), .held(ByteRange(80..<90), checksum: 4)])
        #expect(try read()?.doubtful?.map(\.range) == [ByteRange(50..<60), ByteRange(80..<90)])
        try journal.append([.durable(records: UInt64(journal.records))])
        #expect(try read()?.doubtful?.isEmpty == true)
        #expect(try read()?.held.count == 40)
    }
}
