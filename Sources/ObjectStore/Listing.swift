import S3
import UploadModel

/// An attempt to transfer a file, as its objects' keys tell.
struct Generation: Sendable {
    /// 8 hexadecimal digits: the hours since 1970 when it was begun, or one more than the generation before.
    struct Name: Sendable, Hashable, Comparable {
        let number: UInt64

        var text: String {
            let digits = String(number, radix: 16)
            return String(repeating: "0", count: max(0, 8 - digits.count)) + digits
        }

        init(_ number: UInt64) { self.number = number }

        init?(_ text: some StringProtocol) {
            guard text.count >= 8, let number = UInt64(text, radix: 16) else { return nil }
            self.number = number
        }

        /// The name of the next generation.
        static func next(after last: Name?, now: UInt64) -> Name {
            Name(max(now / 3600, last.map { $0.number + 1 } ?? 0))
        }

        static func < (one: Name, other: Name) -> Bool { one.number < other.number }
    }

    let name: Name
    /// Its marks and their ETags.
    var marks: [Mark: String] = [:]
    /// The ranges of its finished file that were sent again.
    var confirmed: [ByteRange] = []
    /// Its records and folds, by cell.
    var cells: [Int: CellRecords] = [:]
    /// When `done` was put, by the engine's clock, in Unix seconds.
    var ended: UInt64?
    /// When the last of `end` and `done` was put, likewise.
    var decided: UInt64?
    /// The additions of the one host that adds without a look at the others.
    var ledger = Ledger()

    /// When a client last asked for it, in Unix seconds, as far as that is marked.
    var touched: UInt64? {
        marks.keys.compactMap { if case .touch(let time) = $0 { time } else { nil } }.max()
    }

    /// When sweeps began to end it, in Unix seconds.
    var fades: [UInt64] { marks.keys.compactMap { if case .fade(let time, _) = $0 { time } else { nil } } }
}

/// The objects in a cell.
struct CellRecords: Sendable, Equatable {
    var records: [Record] = []
    var folds: [Fold] = []
}

/// All that a listing of an upload's folder tells.
struct Listing: Sendable {
    /// In order. Not all have a mark: a request that came too late may have left a record.
    private(set) var generations: [Generation] = []
    /// All keys in the folder.
    private(set) var keys: [String] = []

    /// The highest generation.
    var newest: Generation? { generations.last }

    subscript(name: Generation.Name) -> Generation? { generations.first { $0.name == name } }

    /// Sorts what was listed. Keys that are not the store's are left out.
    ///
    /// - Parameter folder: the upload's folder, which all keys begin with.
    init(_ objects: [ListedObject], folder: String) {
        var found: [Generation.Name: Generation] = [:]
        for object in objects where object.key.hasPrefix(folder) {
            let words = object.key.dropFirst(folder.count).split(separator: "/", omittingEmptySubsequences: false)
            guard Listing.add(words, object, to: &found) else { continue }
            keys.append(object.key)
        }
        generations = found.values.sorted { $0.name < $1.name }
    }

    /// The generation that counts, if one was begun.
    private var begun: Generation? { generations.last { $0.isBegun } }

    /// True if the upload has ended, with or without a file.
    var isOver: Bool { begun.map { $0.marks[.done] != nil } ?? true }

    /// True if the upload is being published, or was removed: its documents tell which.
    var isEnding: Bool { !isOver && begun?.marks[.end] != nil }

    /// True if a sweep has nothing to do for the upload: it was finished with a file, and nothing of it is old.
    ///
    /// - Parameters:
    ///   - expire: for how long the record of a finished upload is kept, in seconds; 0: for ever.
    ///   - leftover: for how long what a dead host has left is kept, in seconds.
    func isSwept(at now: UInt64, expire: UInt64, leftover: UInt64) -> Bool {
        guard let begun, let ended = begun.ended, begun.marks[.fileless] == nil, expire == 0 || now < ended + expire
        else { return false }
        let isTidy = generations.count == 1 && begun.cells.isEmpty && begun.ledger.entries.isEmpty
        return isTidy || now < ended + leftover
    }

    private static func add(
        _ words: [Substring], _ object: ListedObject, to found: inout [Generation.Name: Generation]
    ) -> Bool {
        func change(_ text: Substring, _ body: (inout Generation) -> Bool) -> Bool {
            guard let name = Generation.Name(text) else { return false }
            return body(&found[name, default: Generation(name: name)])
        }
        switch (words.first, words.count) {
        case ("a", 2):
            let parts = words[1].split(separator: ".", omittingEmptySubsequences: false)
            guard let mark = Mark(Array(parts.dropFirst())) else { return false }
            return change(parts[0]) { generation in
                generation.marks[mark] = object.etag
                if mark == .done { generation.ended = object.modified }
                if mark == .done || mark == .end {
                    generation.decided = max(generation.decided ?? 0, object.modified ?? 0)
                }
                return true
            }
        case ("b", 3):
            let ends = words[2].split(separator: "-").compactMap { UInt64($0, radix: 16) }
            guard ends.count == 2, let range = ByteRange(from: ends[0], to: ends[1]) else { return false }
            return change(words[1]) { generation in
                generation.confirmed.append(range)
                return true
            }
        case ("c", 4):
            guard let cell = Int(words[2], radix: 16), cell >= 0 else { return false }
            return change(words[1]) { generation in
                if let record = Record(name: words[3]) {
                    generation.cells[cell, default: CellRecords()].records.append(record)
                } else if let fold = Fold(name: words[3]) {
                    generation.cells[cell, default: CellRecords()].folds.append(fold)
                } else {
                    return false
                }
                return true
            }
        case ("l", 3):
            guard let number = Int(words[2], radix: 16), number > 0 else { return false }
            return change(words[1]) { generation in
                if Ledger.isClosing(size: object.size) {
                    generation.ledger.closing = max(generation.ledger.closing ?? 0, number)
                } else {
                    generation.ledger.entries[number] = object.etag
                }
                return true
            }
        default: return false
        }
    }
}
