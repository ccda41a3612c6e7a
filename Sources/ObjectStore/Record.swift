import Linux
import UploadModel

/// A range of the file that is held, as the name of an object says.
///
/// The object has the bytes, or, if they are a whole cell, it is empty and the bytes are a part of the multipart
/// upload. The name has all that decides what counts, so a listing is enough to know what is held. Nothing depends on
/// the engine's own times: they are whole seconds, and two versions of a part within one could not be told apart.
///
/// Records are never replaced. Where they overlap, the newest one counts: `sequence` is higher than that of all records
/// in the cell that were there when its writer began, so bytes that are sent after an answer count over those of the
/// answer. Records that were written at the same time are ordered by their `id`, in the same way for everyone.
///
/// A chunk that lies in several cells has a record in each, which have its `id` and its range in common. They count
/// only together: the one in the last cell is put last.
struct Record: Sendable, Hashable {
    /// From 1.
    let sequence: UInt64
    /// 16 hexadecimal digits.
    let id: String
    /// When it was put, by its writer's clock, in Unix seconds.
    let time: UInt64
    /// The range of the chunk, which reaches beyond the cell if it lies in several.
    let chunk: ByteRange
    /// The SHA-256 of its bytes in hexadecimal.
    let digest: String
    /// The ETag of the part that has the bytes; nil: the object has them.
    let part: String?

    /// The name of its object.
    var name: String {
        let words = [
            String(sequence, radix: 16), id, String(time, radix: 16), String(chunk.start, radix: 16),
            String(chunk.end, radix: 16), digest,
        ]
        return (words + (part.map { [hex($0)] } ?? [])).joined(separator: ".")
    }

    init(sequence: UInt64, id: String, time: UInt64, chunk: ByteRange, digest: String, part: String?) {
        self.sequence = sequence
        self.id = id
        self.time = time
        self.chunk = chunk
        self.digest = digest
        self.part = part
    }

    /// The record that has this name; nil if none can have it.
    init?(name: some StringProtocol) {
        let words = name.split(separator: ".", omittingEmptySubsequences: false)
        guard words.count == 6 || words.count == 7, let sequence = UInt64(words[0], radix: 16), words[1].count == 16,
            let time = UInt64(words[2], radix: 16), let start = UInt64(words[3], radix: 16),
            let end = UInt64(words[4], radix: 16), let chunk = ByteRange(from: start, to: end), !chunk.isEmpty,
            words[5].count == 64
        else { return nil }
        var part: String?
        if words.count == 7 {
            guard let etag = unhex(words[6]) else { return nil }
            part = etag
        }
        self.init(
            sequence: sequence, id: String(words[1]), time: time, chunk: chunk, digest: String(words[5]), part: part)
    }

    /// Whether this one counts where both overlap. A part whose writer did not see an object counts over that, because
    /// the bytes of a part cannot be read and put together with others.
    func isNewer(than other: Record) -> Bool {
        (sequence, part == nil ? 0 : 1, id) > (other.sequence, other.part == nil ? 0 : 1, other.id)
    }
}

/// A part that was gathered from the records of its cell, as the name of an empty object says.
struct Fold: Sendable, Hashable {
    /// Names the bytes that the part was made of (`CellContent.inputs`).
    let inputs: String
    let etag: String

    var name: String { "fold.\(inputs).\(hex(etag))" }

    init(inputs: String, etag: String) {
        self.inputs = inputs
        self.etag = etag
    }

    init?(name: some StringProtocol) {
        let words = name.split(separator: ".", omittingEmptySubsequences: false)
        guard words.count == 3, words[0] == "fold", words[1].count == 64, let etag = unhex(words[2]) else {
            return nil
        }
        self.init(inputs: String(words[1]), etag: etag)
    }
}

/// An ETag can have any character, so keys have its bytes in hexadecimal.
private func hex(_ text: String) -> String { Array(text.utf8).hexDigits }

private func unhex(_ digits: some StringProtocol) -> String? {
    let digits = Array(digits.utf8)
    guard digits.count % 2 == 0, digits.count <= 256 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
        guard let byte = UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) else {
            return nil
        }
        bytes.append(byte)
    }
    return String(validating: bytes, as: UTF8.self)
}
