import StoreTestSupport
import UploadModel

@testable import UploadStore

/// A store that finds an unfinished upload of 64 bytes, written by an earlier process. The input describes the records
/// and the damage since:
///
/// - the first byte: whether there was a reboot, and the size of the client's chunks;
/// - then records, a byte for the kind and two for the range, all of them true when they were written;
/// - after a byte 0xFF: damage, each with a byte for the file and two for the position and the change.
///
/// Damage changes the journal after its header or, after a reboot, data that no record calls durable. The invariant:
/// after a client has tested for each chunk and sent the missing ones, the file is whole, and there is no other file.
func fuzzRecovery(_ bytes: UnsafeRawBufferPointer) -> String? {
    var input = FuzzInput(bytes)
    let choice = input.byte()
    let wentDown = choice & 1 == 0
    let disk = MemoryDisk()
    do {
        try plant(&input, on: disk, wentDown: wentDown)
        return try uploadRest(to: disk, chunkSize: [16, 7, 64, 33][Int(choice >> 1) % 4])
    } catch {
        return "\(error)"
    }
}

private let content: [UInt8] = (0..<64).map { UInt8($0) &* 37 &+ 11 }
private let oldBoot = BootID(low: 1, high: 1)
private let newBoot = BootID(low: 2, high: 2)

private func uploadID() throws -> UploadID {
    try UploadID(identifier: "id", filename: FileName("name", parameter: ""), parameter: "")
}

/// Writes journal and data file.
private func plant(_ input: inout FuzzInput, on disk: MemoryDisk, wentDown: Bool) throws {
    let id = try uploadID()
    let folder = try disk.root.folder(LocalStore.stateFolder)
    let header = JournalHeader(size: 64, chunkSize: 16, nonce: 3, begun: 0, texts: ["id", "name", ""])
    let files = UploadFiles(key: UploadKey(id), nonce: header.nonce)
    let data = try folder.create(files.data)
    try data.truncate(to: 64)
    let file = try folder.create(files.journal)
    var journal = try Journal.begin(file, header: header, boot: wentDown ? oldBoot : newBoot)
    /// Bytes that the journal has called durable at some time: they survive a reboot.
    var durable = ByteRangeSet()

    while !input.isEmpty {
        let kind = input.byte()
        if kind == 0xFF { break }
        let (one, other) = (UInt64(input.byte() % 65), UInt64(input.byte() % 65))
        guard let range = ByteRange(from: min(one, other), to: max(one, other)) else { continue }
        let piece = content[Int(range.start)..<Int(range.end)]
        switch kind % 4 {
        case 0:
            try piece.withUnsafeBytes { try data.write($0, at: range.start) }
            try journal.append([.held(range, checksum: piece.withUnsafeBytes { Checksum.of($0) })])
        case 1:
            try journal.append([.lost(range)])
        case 2:
            try piece.withUnsafeBytes { try data.write($0, at: range.start) }
            try journal.append([.adopted(range)])
            durable.insert(range)
        default:
            try journal.append([.durable(records: UInt64(journal.records))])
            for range in journal.held.ranges { durable.insert(range) }
        }
    }

    let start = header.encoded.count
    while !input.isEmpty {
        let (target, place, change) = (input.byte(), Int(input.byte()), input.byte())
        if target % 2 == 0 {
            let size = Int(try file.status().size)
            guard size > start else { continue }
            let position = start + (Int(target) / 2 * 256 + place) % (size - start)
            if change == 0 { try file.truncate(to: UInt64(position)) } else { try flip(file, position, change) }
        } else if wentDown {
            let byte = UInt64(place % 64)
            guard let range = ByteRange(from: byte, length: 1), !durable.contains(range) else { continue }
            try flip(data, Int(byte), change)
        }
    }
}

private func flip(_ file: any File, _ place: Int, _ change: UInt8) throws {
    var byte: [UInt8] = [0]
    guard try byte.withUnsafeMutableBytes({ try file.read(into: $0, at: UInt64(place)) }) == 1 else { return }
    byte[0] ^= change
    try byte.withUnsafeBytes { try file.write($0, at: UInt64(place)) }
}

/// Resumes the upload as a client does. Returns a description of the fault; nil if there is none.
private func uploadRest(to disk: MemoryDisk, chunkSize: UInt64) throws -> String? {
    let store = try LocalStore(
        root: disk.root, boot: newBoot, settings: StoreSettings(minimumFree: 0), now: { 100 })
    let failures = store.recover()
    if !failures.isEmpty { return "recovery: \(failures)" }
    let id = try uploadID()
    for number in 1...max(64 / chunkSize, 1) {
        guard let layout = ChunkLayout(number: number, chunkSize: chunkSize, total: 64),
            let settled = layout.settled(length: layout.lengths[layout.lengths.count - 1])
        else { return "no chunk \(number)" }
        let request = ChunkRequest(
            upload: id, number: number, place: .sized(total: 64, chunkSize: chunkSize, settled))
        if try store.status(of: request)?.receipt != nil { continue }
        let writer = try store.receive(request)
        try content[Int(settled.range.start)..<Int(settled.range.end)].withUnsafeBytes { try writer.write($0) }
        _ = try writer.commit()
    }
    let names = try disk.root.names().sorted()
    if names != [LocalStore.stateFolder, "name"] { return "\(names) in the root" }
    guard let file = try disk.root.open("name") else { return "no file" }
    var found = [UInt8](repeating: 0, count: 65)
    let count = try found.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    return found.prefix(count).elementsEqual(content) ? nil : "\(found.prefix(count)) in the file"
}
