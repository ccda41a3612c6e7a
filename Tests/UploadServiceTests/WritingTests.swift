import HTTP
import Linux
import Logging
import Testing
import UploadModel
import UploadService

@testable import UploadStore

/// A store that notes how it is written to.
private final class NotingStore: ChunkStore {
    private let writes = Lock([[UInt8]]())

    /// The bytes of each write.
    var noted: [[UInt8]] { writes.withLock { $0 } }

    func status(of chunk: ChunkRequest) throws(StoreError) -> UploadStatus? { nil }
    func receive(_ chunk: ChunkRequest) throws(StoreError) -> any ChunkWriter { Writer(self) }
    func remove(_ upload: UploadID) throws(StoreError) -> Removal { Removal() }
    func spool() throws(StoreError) -> any Spool { throw .noMemory }

    private final class Writer: ChunkWriter {
        private let store: NotingStore

        init(_ store: NotingStore) {
            self.store = store
        }

        func write(_ bytes: UnsafeRawBufferPointer) { store.writes.withLock { $0.append(Array(bytes)) } }
        func commit() -> Receipt { Receipt(.stored) }
    }
}

/// A body that fills every buffer, as that of a request does that a web server has taken in.
private struct WholeBody: RequestBody {
    var rest: ArraySlice<UInt8>

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let piece = rest.prefix(buffer.count)
        buffer.copyBytes(from: piece)
        rest = rest.dropFirst(piece.count)
        return piece.count
    }
}

/// Few large writes that end with multiples of one length cost much less than many small ones.
@Suite("How a chunk's bytes are handed to the store")
struct WritingTests {
    private func writes(_ request: Request, _ body: [UInt8], buffer size: Int) -> [[UInt8]] {
        let store = NotingStore()
        let log = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let service = UploadService(store: store, settings: UploadSettings(), log: log)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
        defer { buffer.deallocate() }
        var body = WholeBody(rest: body[...])
        #expect(service.respond(to: request, body: &body, using: buffer).status == 200)
        return store.noted
    }

    private let form = Request(method: .post, path: Site.route, contentType: formType)

    @Test(
        "of a form in whole strides from the first byte, however long the fields are", arguments: [0, 1000, 3600, 9000])
    func form(_ noteLength: Int) {
        let stride = 60 << 10
        let sample = Sample(size: 3 * stride + 100, chunkSize: 1 << 20)
        let note = FormPart.field("note", String(repeating: "x", count: noteLength))
        let body = UploadServiceTests.form([note] + sample.fields(1) + [.file(sample.bytes)])
        let writes = writes(form, body, buffer: 64 << 10)
        #expect(writes.map(\.count) == [stride, stride, stride, 100])
        #expect(writes.joined().elementsEqual(sample.bytes))
    }

    @Test("of octets in whole strides")
    func octets() {
        let stride = 60 << 10
        let sample = Sample(size: 2 * stride + 1, chunkSize: 1 << 20)
        let request = Request(
            method: .post, path: Site.route, query: sample.query(1), contentType: "application/octet-stream")
        let writes = writes(request, sample.bytes, buffer: 64 << 10)
        #expect(writes.map(\.count) == [stride, stride, 1])
        #expect(writes.joined().elementsEqual(sample.bytes))
    }

    @Test("whole, wherever the pieces of a form end", arguments: [64 << 10, 4096, 100])
    func anyLength(buffer: Int) {
        // A form whose fields end close to the first piece's end, and files that end before and behind it.
        for size in 0..<700 {
            let sample = Sample(size: size, chunkSize: 1 << 20)
            let note = FormPart.field("note", String(repeating: "x", count: 2700))
            let body = UploadServiceTests.form([note] + sample.fields(1) + [.file(sample.bytes)])
            #expect(writes(form, body, buffer: buffer).joined().elementsEqual(sample.bytes), "\(size) bytes")
        }
    }

    @Test("whole, also where they look like a delimiter at a piece's end")
    func lookalikes() {
        let mark = Array("\r\n--\(boundary)".utf8)
        for count in 1..<mark.count {
            var sample = Sample(size: 5000, chunkSize: 1 << 20)
            for start in stride(from: 0, to: 4500, by: 100) {
                sample.bytes.replaceSubrange(start..<start + count, with: mark[..<count])
            }
            let note = FormPart.field("note", String(repeating: "x", count: 2700 + count))
            let body = UploadServiceTests.form([note] + sample.fields(1) + [.file(sample.bytes)])
            #expect(writes(form, body, buffer: 64 << 10).joined().elementsEqual(sample.bytes), "\(count) bytes of it")
        }
    }
}
