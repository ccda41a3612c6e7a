import Linux
import StoreTestSupport
import UploadModel

@testable import UploadStore

/// A journal file. The first byte chooses the meaning of the rest:
///
/// - 0: the file, byte for byte;
/// - 1: records of 25 bytes each, kind and three numbers, which get the right checks: so any values pass the check, as
///   in a faulty or forged journal;
/// - 2: the same, and then one byte of the file is changed or the file is truncated.
///
/// The invariant:
/// 1. The records are read up to the first that is damaged or invalid, and the ranges (held, provisional and confirmed)
///    and the open syncs are those that going through the records one by one gives.
/// 2. The next writer's record is valid, and makes no record valid that was not before.
func fuzzJournal(_ bytes: UnsafeRawBufferPointer) -> String? {
    var input = FuzzInput(bytes)
    let disk = MemoryDisk()
    let mode = input.byte() % 3
    var file: [UInt8]
    var expected: [JournalRecord]?
    if mode == 0 {
        file = input.all()
    } else {
        let damage: (place: Int, value: UInt8)? =
            mode == 1 ? nil : (Int(input.byte()) | Int(input.byte()) << 8, input.byte())
        let header = JournalHeader(size: 100, nonce: 99, begun: 5, texts: ["id", "name"])
        file = header.encoded
        let ends = seal(&input, into: &file, nonce: header.nonce)
        var valid = ends.count
        if let damage {
            let place = damage.place % file.count
            if damage.value == 0 { file.removeLast(file.count - place) } else { file[place] ^= damage.value }
            valid = place < header.encoded.count ? -1 : ends.firstIndex { $0 > place } ?? ends.count
        }
        expected = valid < 0 ? nil : []
        if valid >= 0 { expected = read(file, after: header.encoded.count, count: valid) }
    }

    do {
        let stored = try disk.root.create("journal")
        try file.withUnsafeBytes { try stored.write($0, at: 0) }
        var records: [JournalRecord] = []
        guard var journal = try Journal.read(stored, visit: { record, _ in records.append(record) }) else {
            return mode == 0 || expected == nil ? nil : "a valid header is not read"
        }
        if mode > 0 {
            guard let expected else { return "a damaged header is read" }
            if records != expected { return "\(records) instead of \(expected)" }
        }
        let (found, expectedState) = (PlainState(journal), PlainState(records))
        if found != expectedState { return "\(found) instead of \(expectedState)" }

        let more = JournalRecord.held(ByteRange(first: 7), checksum: 1)
        try journal.append([more])
        var again: [JournalRecord] = []
        guard try Journal.read(stored, visit: { record, _ in again.append(record) }) != nil else {
            return "it is gone after an append"
        }
        return again == records + [more] ? nil : "\(again) after an append to \(records)"
    } catch {
        return "\(error)"
    }
}

/// Writes records with these values by the table in JournalFormat.swift. Returns the end of each.
func seal(_ input: inout FuzzInput, into file: inout [UInt8], nonce: UInt64) -> [Int] {
    var ends: [Int] = []
    var seed = nonce
    while !input.isEmpty {
        let choice = input.byte()
        let numbers = [input.word(), input.word(), input.word()]
        var record: [UInt8] = [choice % 14, choice / 14 % 2, 0, 0, 0, 0, 0, 0] + numbers.flatMap(littleEndian)
        let check = record.withUnsafeBytes { Checksum.of($0, seed: seed) }
        seed = seed &+ 1 &+ check << 32
        record.replaceSubrange(4..<8, with: littleEndian(check).prefix(4))
        file += record
        ends.append(file.count)
    }
    return ends
}

/// Decodes the first `count` records, each on its own.
private func read(_ file: [UInt8], after header: Int, count: Int) -> [JournalRecord] {
    var records: [JournalRecord] = []
    var seed: UInt64 = 99
    for index in 0..<count {
        let start = header + 32 * index
        let record = file[start..<start + 32].withUnsafeBytes { JournalRecord.decode($0, seed: seed) }
        seed = JournalRecord.seed(behind: file[start..<start + 32], seed)
        guard let record, record.count == 1 else { break }
        records.append(record.record)
    }
    return records
}

private func littleEndian(_ number: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }

/// The state after some records, by plain lists that are searched from their start each time.
private struct PlainState: Equatable {
    var held: [ByteRange] = []
    var confirmed: [ByteRange] = []
    var provisional: [ByteRange] = []
    var openSyncs: Set<UInt64> = []

    init(_ journal: Journal) {
        held = journal.held.ranges
        confirmed = journal.confirmedRanges.ranges
        provisional = journal.provisional.map(\.range)
        openSyncs = journal.openSyncs
    }

    init(_ records: [JournalRecord]) {
        var isPublished = false
        var number: UInt64 = 0
        for record in records {
            switch record {
            case .held(let range, _, _) where isPublished: add(range, to: &confirmed)
            case .held(let range, _, isProvisional: true): provisional.append(range)
            case .held(let range, _, isProvisional: false):
                add(range, to: &held)
                replaceProvisional(range)
            case .adopted(let range): add(range, to: &held)
            case .lost(let range):
                remove(range)
                replaceProvisional(range)
            case .publishing: isPublished = false
            case .published:
                isPublished = true
                openSyncs = []
            case .boot: openSyncs = []
            case .syncing: openSyncs.insert(number)
            case .synced(let closed): openSyncs.remove(closed)
            case .durable, .chunkSize, .tail, .size, .described, .settled, .attempted: break
            }
            // With its payload.
            number += UInt64(record.encoded(seed: 0).count / JournalRecord.length)
        }
    }

    private func add(_ range: ByteRange, to list: inout [ByteRange]) {
        if range.isEmpty { return }
        let touching = list.filter { $0.start <= range.end && $0.end >= range.start }
        list.removeAll { $0.start <= range.end && $0.end >= range.start }
        let start = touching.map(\.start).reduce(range.start, min)
        let end = touching.map(\.end).reduce(range.end, max)
        ByteRange(from: start, to: end).map { list.append($0) }
        list.sort { $0.start < $1.start }
    }

    private mutating func remove(_ range: ByteRange) {
        if range.isEmpty { return }
        held = held.flatMap { old in
            [(old.start, min(old.end, range.start)), (max(old.start, range.end), old.end)]
                .compactMap { $0 < $1 ? ByteRange(from: $0, to: $1) : nil }
        }
    }

    /// A chunk, or its loss, ends each provisional range that has a byte in common with it.
    private mutating func replaceProvisional(_ range: ByteRange) {
        provisional.removeAll { max($0.start, range.start) < min($0.end, range.end) }
    }
}

/// A journal whose records have the right checks and any values (as mode 1 of `fuzzJournal`), and a data file whose
/// size is the first byte, used by every operation of the store. The first byte's lowest bit says whether the journal
/// is from an earlier boot. The invariant: nothing traps, and the root contains only the store's own folder and the
/// file, with or without a number in its name.
func fuzzForged(_ bytes: UnsafeRawBufferPointer) -> String? {
    var input = FuzzInput(bytes)
    let choice = input.byte()
    let disk = MemoryDisk()
    do {
        let id = try UploadID(identifier: "id", filename: FileName("name", parameter: ""), parameter: "")
        let size = [100, .max, nil][Int(choice / 2) % 3] as UInt64?
        let header = JournalHeader(size: size, nonce: 99, begun: .max, texts: ["id", "name"])
        let files = UploadFiles(key: UploadKey(id), nonce: header.nonce)
        let folder = try disk.root.folder(LocalStore.stateFolder)
        var journal = header.encoded
        _ = seal(&input, into: &journal, nonce: header.nonce)
        try journal.withUnsafeBytes { try folder.create(files.journal).write($0, at: 0) }
        try folder.create(files.data).truncate(to: UInt64(choice))

        let boot = choice & 1 == 0 ? BootID(low: 0, high: 0) : BootID(low: 7, high: 7)
        let store = try LocalStore(
            root: disk.root, boot: boot, settings: StoreSettings(minimumFree: 0), now: { 1 << 30 })
        _ = store.recover()
        _ = try store.uploads()
        _ = try store.verify()
        for place in [ChunkRequest.Place.counted(chunks: 3), .counted(chunks: 2), sized(of: 100), sized(of: 20)] {
            let request = ChunkRequest(upload: id, number: 2, place: place)
            _ = try? store.status(of: request)
            // The worst effect of a forged journal is that the store refuses chunks.
            guard let writer = try? store.receive(request) else { continue }
            try? [UInt8](repeating: 1, count: 10).withUnsafeBytes { try writer.write($0) }
            _ = try? writer.commit()
        }
        _ = store.sweep()
        _ = try? store.remove(id)
        let names = try disk.root.names().filter { $0 != LocalStore.stateFolder }
        return names.allSatisfy { $0.hasPrefix("name") } ? nil : "\(names) in the root"
    } catch {
        return "\(error)"
    }
}

/// The second of the chunks of 10 bytes of a file of that size.
private func sized(of total: UInt64) -> ChunkRequest.Place {
    .sized(total: total, chunkSize: 10, ChunkLayout(offset: 10, length: 10))
}
