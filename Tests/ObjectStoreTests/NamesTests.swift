import Testing
import UploadModel
import UploadStore

@testable import ObjectStore
@testable import S3

@Suite("Names of objects and their documents") struct NamesTests {
    private func range(_ start: UInt64, _ end: UInt64) throws -> ByteRange {
        try #require(ByteRange(from: start, to: end))
    }

    @Test("A record is read from its name as it was", arguments: [nil, "a1b2", "d41d8cd98f00b204-3", "\u{e9} /\"."])
    func record(_ part: String?) throws {
        let record = Record(
            sequence: 300, id: "0123456789abcdef", time: 1_800_000_000, chunk: try range(1 << 40, 1 << 40 + 5),
            digest: String(repeating: "e", count: 64), part: part)
        #expect(Record(name: record.name) == record)
        #expect(record.name.utf8.count <= 255 && !record.name.contains("/"))
    }

    @Test("Names that no record has are none")
    func noRecord() throws {
        let good = Record(
            sequence: 1, id: "0123456789abcdef", time: 2, chunk: try range(3, 4),
            digest: String(repeating: "0", count: 64), part: "ab"
        ).name
        let words = good.split(separator: ".").map(String.init)
        for index in words.indices {
            var changed = words
            changed[index] = "x"
            #expect(Record(name: changed.joined(separator: ".")) == nil, "\(changed)")
            changed.remove(at: index)
            #expect(index == 6 || Record(name: changed.joined(separator: ".")) == nil, "\(changed)")
        }
        #expect(Record(name: good + ".1") == nil && Record(name: "") == nil)
        var empty = words
        empty[4] = empty[3]
        #expect(Record(name: empty.joined(separator: ".")) == nil)
    }

    @Test("A fold is read from its name as it was")
    func fold() {
        let fold = Fold(inputs: String(repeating: "7", count: 64), etag: "\"odd\" etag")
        #expect(Fold(name: fold.name) == fold)
        #expect(Fold(name: "fold.7.ab") == nil && Fold(name: "old" + fold.name) == nil)
        #expect(Record(name: fold.name) == nil)
    }

    @Test("Fields are read as they were written, whatever is in them")
    func fields() throws {
        var fields = Fields()
        for value in ["", "a b", "\n", "%41+", "\u{e9}", "e\u{301}", "\u{0}"] { fields["x"] = value }
        fields["nothing"] = nil
        let read = try #require(Fields(fields.body))
        #expect(read == fields && read.pairs.count == 7)
        #expect(Fields(Array("no-value".utf8)) == nil)
        #expect(Fields(Array("x %4".utf8)) == nil)
        #expect(Fields([0xff]) == nil)
    }

    @Test("A document in another form fails, and the error has its key")
    func notUnderstood() throws {
        #expect(throws: StoreError.failed(StoreCause("a/key cannot be understood"))) {
            try understood(Fields([0xff]), "a/key")
        }
        #expect(try understood(Fields([]), "a/key") == Fields())
    }

    @Test("A claim is read as it was written, whatever its client sends")
    func claim() throws {
        let folder = try #require(try RelativePath("homes/an n", parameter: ""))
        let owners = [
            Owner.nobody, try #require(Owner(subject: "\u{fc} x")), try #require(Owner(subject: "", directory: folder)),
        ]
        for owner in owners {
            for name in ["name.bin", " ", "\u{1}\n", "%", String(repeating: "\u{e9}", count: 300)] {
                var chunk = ChunkRequest(
                    upload: try UploadID(
                        identifier: "\u{1}/../\u{e9}", filename: FileName(name, parameter: ""), owner: owner,
                        path: RelativePath("a/\u{2}/b", parameter: ""), parameter: ""),
                    number: 1, place: .sized(total: 30, chunkSize: 10, ChunkLayout(offset: 0, length: 10)),
                    relativePath: try RelativePath("a/\u{2}/b", parameter: ""),
                    metadata: Metadata([
                        .init(name: "a b\n", value: "c d"), .init(name: "", value: ""), .init(name: "z", value: "%"),
                    ]))
                chunk.lastModified = name == " " ? nil : 17
                let predecessor = Claim.Predecessor(
                    generation: Generation.Name(77), path: "a b/c", putBy: Generation.Name(76), before: 5)
                let claim = Claim(
                    chunk, size: 30, cell: 10, begun: 99, predecessor: name == "%" ? predecessor : nil,
                    slot: name == "%" ? "token/1" : nil)
                var fields = Fields()
                claim.write(to: &fields)
                let read = try #require(Fields(fields.body).flatMap { Claim($0) })
                #expect(read == claim)
                #expect(UploadKey(read.id) == UploadKey(chunk.upload))
            }
        }
    }

    @Test("A listing is sorted into generations, and foreign keys are left out")
    func listing() throws {
        let id = try UploadID(identifier: "id", filename: FileName("name", parameter: ""), parameter: "")
        let keys = Keys(prefix: "p/")
        let folder = keys.upload(UploadKey(id))
        let (old, new) = (Generation.Name(0x7a120), Generation.Name(0x7a121))
        let record = Record(
            sequence: 1, id: "0123456789abcdef", time: 9, chunk: try range(0, 4),
            digest: String(repeating: "0", count: 64), part: nil)
        let fold = Fold(inputs: String(repeating: "7", count: 64), etag: "e")
        let good = [
            keys.mark(folder, old, .claim), keys.mark(folder, old, .done), keys.confirmed(folder, old, try range(5, 9)),
            keys.mark(folder, new, .claim), keys.mark(folder, new, .touch(50)), keys.mark(folder, new, .touch(70)),
            keys.mark(folder, new, .fade(80, id: "x")), keys.inCell(folder, new, 17, record.name),
            keys.inCell(folder, new, 17, fold.name),
        ]
        let bad = [
            "\(folder)a/x.claim", "\(folder)a/0007a121", "\(folder)a/0007a121.other", "\(folder)b/0007a121/9-5",
            "\(folder)c/0007a121/x/\(record.name)", "\(folder)c/0007a121/1/other", "\(folder)d", "elsewhere",
        ]
        let objects = (good + bad).map { key in
            ListedObject(key: key, size: 0, etag: "e", modified: 1)
        }
        let listing = Listing(objects.shuffled(), folder: folder)
        #expect(Set(listing.keys) == Set(good))
        #expect(listing.generations.map(\.name) == [old, new])
        #expect(listing[old]?.marks.keys.contains(.done) == true)
        #expect(listing[old]?.confirmed == [try range(5, 9)])
        #expect(listing.newest?.touched == 70 && listing.newest?.fades == [80])
        #expect(listing.newest?.cells == [17: CellRecords(records: [record], folds: [fold])])
    }

    @Test("Generations are named by the hour, and always higher than the one before")
    func generations() {
        #expect(Generation.Name.next(after: nil, now: 7200).text == "00000002")
        #expect(Generation.Name.next(after: Generation.Name(1), now: 7200).text == "00000002")
        #expect(Generation.Name.next(after: Generation.Name(2), now: 7200).text == "00000003")
        #expect(Generation.Name("00000002") == Generation.Name(2) && Generation.Name("2") == nil)
    }
}
