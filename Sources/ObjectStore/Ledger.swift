import Linux
import S3
import UploadModel
import UploadStore

// The ledger of a live upload: numbered entries, each created once (`Keys.entry`). The host that has begun the upload
// adds one for each chunk, and asks nothing else of the engine: if its entry is created, nobody has ended the upload or
// added to it before, because the others close the ledger first, with an entry of their own. So as long as one host
// takes all chunks, which a load balancer can arrange, a chunk costs two calls in place of four, and no listing grows
// with the file. Once the ledger is closed, every host lists the upload in front of and behind each record.
//
// An entry has the records of parts. Records of objects are the names of those objects, as without a ledger.

/// The records in the ledger of a generation.
struct Ledger: Sendable, Equatable {
    /// A record of a part.
    struct Line: Sendable, Equatable {
        /// The number of the entry that it came with.
        let entry: Int
        let cell: Int
        let record: Record
    }

    /// The entries and their ETags, by number from 1. Those that are not needed any more may have been deleted.
    var entries: [Int: String] = [:]
    /// The number of the entry that closes it; nil while it is open.
    var closing: Int?
    /// In the order of the entries, as far as they were read.
    var lines: [Line] = []

    /// The number of the last entry that does not close it; 0 if there is none.
    var last: Int { entries.keys.max() ?? 0 }

    /// The content of an entry that closes a ledger. No other one is as short, so a listing tells them apart.
    static let closingBody = Array("closed".utf8)
    /// The content of the one with which the ledger's own host closes it, to tell it from those of others.
    static let ownClosingBody = Array("finish".utf8)

    static func isClosing(size: some BinaryInteger) -> Bool { size <= closingBody.count }

    /// The first entry whose lines the entry `number` repeats: each has those of as many entries as its lowest bit
    /// says. So a reader needs about as many entries as the last number has bits, and all of them together are not much
    /// longer than the last one.
    static func firstEntry(in number: Int) -> Int { number - (number & -number) + 1 }
}

/// The content of an entry of a ledger.
struct LedgerEntry: Sendable, Equatable {
    /// Its own lines and those that it repeats.
    let lines: [Ledger.Line]
    /// The block digests of the parts of its own lines, one after the other.
    let blocks: [UInt8]

    init(lines: [Ledger.Line], blocks: [UInt8]) {
        self.lines = lines
        self.blocks = blocks
    }

    /// Reads the body of an entry; nil if it is none.
    init?(_ body: [UInt8]) {
        // Lines of text, an empty line, and the digests.
        let newline = UInt8(ascii: "\n")
        guard let end = zip(body, body.dropFirst()).enumerated().first(where: { $1.0 == newline && $1.1 == newline }),
            let fields = Fields(Array(body[...end.offset]))
        else { return nil }
        var lines: [Ledger.Line] = []
        for pair in fields.pairs where pair.name == "record" {
            let words = pair.value.split(separator: " ")
            guard words.count == 3, let entry = Int(words[0]), let cell = Int(words[1]), entry > 0, cell >= 0,
                let record = Record(name: words[2])
            else { return nil }
            lines.append(Ledger.Line(entry: entry, cell: cell, record: record))
        }
        self.init(lines: lines, blocks: Array(body[(end.offset + 2)...]))
    }

    /// - Parameter nonce: a number that no other body has, so that a lost answer can be made good by reading it.
    func body(nonce: UInt64) -> [UInt8] {
        var fields = Fields()
        fields["nonce"] = nonce.hexDigits
        for line in lines { fields["record"] = "\(line.entry) \(line.cell) \(line.record.name)" }
        var body = fields.body
        // The digests of a large chunk take more memory than all else here.
        body.reserveCapacity(body.count + 1 + blocks.count)
        body.append(UInt8(ascii: "\n"))
        body += blocks
        return body
    }

    /// The block digests of one of its own lines.
    ///
    /// - Parameter number: its own.
    func blocks(of record: Record, in cell: Int, _ number: Int, _ grid: Grid) -> BlockDigests? {
        var position = 0
        for line in lines where line.entry == number {
            let count = BlockDigests.count(of: grid.piece(of: line.record.chunk, in: line.cell).length)
            guard position + count <= blocks.count else { return nil }
            if line.record == record && line.cell == cell {
                return BlockDigests(bytes: Array(blocks[position..<position + count]))
            }
            position += count
        }
        return nil
    }
}

extension Generation {
    /// Adds the records of a ledger.
    mutating func add(_ lines: [Ledger.Line]) {
        ledger.lines += lines
        for line in lines { cells[line.cell, default: CellRecords()].records.append(line.record) }
    }
}

extension ObjectStore {
    /// Reads the ledger of a generation as far as a listing has shown it; nil if an entry was deleted meanwhile.
    func read(
        _ ledger: Ledger, _ folder: String, _ generation: Generation.Name
    ) throws(StoreError) -> [Ledger.Line]? {
        let last = ledger.last
        guard last > 0 else { return [] }
        if let writer = writer(folder, generation), let lines = writer.lines(upTo: last) { return lines }
        let name = keys.ledger(folder, generation)
        let (known, lines) = ledgers.lines(name)
        if known >= last { return lines.filter { $0.entry <= last } }
        var added: [[Ledger.Line]] = []
        var position = last
        while position > known {
            let body = try document(keys.entry(folder, generation, position))
            guard let body else { return nil }
            let entry = try understood(LedgerEntry(body), name)
            added.append(entry.lines.filter { $0.entry > known })
            position = Ledger.firstEntry(in: position) - 1
        }
        let all = lines + added.reversed().joined()
        ledgers.remember(name, last, all)
        return all
    }

    /// Closes the ledger of a live upload: from then on no host adds to the upload without a look at it.
    func closeLedger(_ look: Look) throws(StoreError) {
        guard !look.hasClosedLedger, let generation = look.generation else { return }
        var number = generation.ledger.last + 1
        for _ in 0..<ObjectStore.maximumAttempts {
            let key = keys.entry(look.folder, generation.name, number)
            switch try onEngine({ () throws(S3Error) in try bucket.create(key, Ledger.closingBody) }) {
            case .created: return
            case .exists(let body?) where Ledger.isClosing(size: body.count): return
            // Its host goes on adding entries.
            case .exists: number += 1
            }
        }
        throw .busy
    }
}

extension Look {
    /// True if no host may add to a live upload, or end it, without a look at it.
    var hasClosedLedger: Bool {
        guard case .live(let claim) = phase else { return true }
        return !claim.hasLedger || generation?.ledger.closing != nil
    }
}

/// Ledgers of other hosts as far as they were read: their entries never change.
final class LedgerCache: Sendable {
    private let entries = Lock<[String: (last: Int, lines: [Ledger.Line])]>([:])
    /// How many lines are kept.
    private static let capacity = 16_384

    func lines(_ name: String) -> (last: Int, lines: [Ledger.Line]) {
        entries.withLock { $0[name] } ?? (0, [])
    }

    func remember(_ name: String, _ last: Int, _ lines: [Ledger.Line]) {
        entries.withLock { entries in
            let count = entries.values.reduce(lines.count) { $0 + $1.lines.count }
            if count > LedgerCache.capacity { entries = [:] }
            guard lines.count <= LedgerCache.capacity, entries[name]?.last ?? 0 < last else { return }
            entries[name] = (last, lines)
        }
    }
}
