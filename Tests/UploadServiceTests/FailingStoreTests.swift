import Glibc
import HTTP
import Linux
import TestSupport
import Testing
import UploadModel
import UploadService

@testable import UploadStore

/// A store that fails at one moment with one error.
private final class FailingStore: ChunkStore {
    enum Moment: CaseIterable { case status, receive, write, commit, spool, remove }

    private let moment: Moment
    private let error: StoreError
    private let tries = Lock(0)

    /// How often the moment came.
    var count: Int { tries.withLock { $0 } }

    init(_ error: StoreError, at moment: Moment) {
        self.error = error
        self.moment = moment
    }

    func fail(at moment: Moment) throws(StoreError) {
        guard moment == self.moment else { return }
        tries.withLock { $0 += 1 }
        throw error
    }

    func status(of chunk: ChunkRequest) throws(StoreError) -> UploadStatus? {
        try fail(at: .status)
        return nil
    }

    func receive(_ chunk: ChunkRequest) throws(StoreError) -> any ChunkWriter {
        try fail(at: .receive)
        return Writer(self)
    }

    func remove(_ upload: UploadID) throws(StoreError) -> Removal {
        try fail(at: .remove)
        throw .noMemory
    }

    func spool() throws(StoreError) -> any Spool {
        try fail(at: .spool)
        throw .noMemory
    }

    private final class Writer: ChunkWriter {
        private let store: FailingStore

        init(_ store: FailingStore) {
            self.store = store
        }

        func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
            try store.fail(at: .write)
        }

        func commit() throws(StoreError) -> Receipt {
            try store.fail(at: .commit)
            return Receipt(.stored)
        }
    }
}

/// The outcomes of a store's errors (PROTOCOL.md, Status codes).
@Suite("When the store fails")
struct FailingStoreTests {
    private static func file(_ code: Int32) -> StoreCause {
        StoreCause(FileError(operation: "secret-operation", name: "secret-name", code: code))
    }

    struct Row: CustomTestStringConvertible, Sendable {
        var error: StoreError
        var outcome: Expected
        var testDescription: String { "\(error)" }
    }

    static let rows = [
        // "It may work next time: disk full, I/O error, body cut short, ... lock held".
        Row(error: .full(file(ENOSPC)), outcome: .retry),
        Row(error: .full(file(EDQUOT)), outcome: .retry),
        Row(error: .failed(file(EIO)), outcome: .retry),
        Row(error: .failed(file(EACCES)), outcome: .retry),
        Row(error: .noMemory, outcome: .retry),
        Row(error: .busy, outcome: .retry),
        Row(error: .scattered, outcome: .retry),
        Row(error: .tooShort(received: 3, lengths: [10]), outcome: .retry),
        Row(error: .tooShort(received: 3, lengths: [10, 15]), outcome: .retry),
        // "Contradicts another": the same bytes would fail again.
        Row(error: .wrongLength(received: 16, lengths: [10, 15]), outcome: .malformed),
        Row(error: .sizeDiffers(known: 7), outcome: .malformed),
        // This chunk alone can't mend it: the client must give the file up.
        Row(error: .untrusted(file(EIO)), outcome: .refused),
        // "This file will never be accepted: type, size, name, quota, token".
        Row(error: .tooLarge(limit: 7), outcome: .refused),
        Row(error: .neverFits(size: 7), outcome: .refused),
        Row(error: .nameTaken, outcome: .refused),
        Row(error: .nameReserved, outcome: .refused),
        Row(error: .finished, outcome: .refused),
        Row(error: .tooManyRecords, outcome: .refused),
    ]

    private func check(_ row: Row, at moment: FailingStore.Moment, _ ask: (Site) -> Response) throws {
        let store = FailingStore(row.error, at: moment)
        let answer = ask(Site(store: store, folder: try TemporaryFolder()))
        #expect(store.count == 1, "\(moment)")
        #expect(answer.header("X-Upload-Outcome") == row.outcome.rawValue)
        #expect(answer.status == row.outcome.status)
        let told = text(answer)
        #expect(told.count > 10)
        for secret in ["secret", "Input/output", "No space left on device", "denied", "\(EIO)", "errno", "FileError"] {
            // A line may well speak of the chunk's own lengths.
            if secret == "\(EIO)" && told.contains("15") { continue }
            #expect(!told.contains(secret), "\(told)")
        }
    }

    @Test("a test gets the error's outcome", arguments: rows)
    func questions(_ row: Row) throws {
        try check(row, at: .status) {
            $0.send(Request(method: .get, path: Site.route, query: Sample(size: 3).query(1)))
        }
    }

    @Test("a form gets the error's outcome, whenever it comes", arguments: rows)
    func forms(_ row: Row) throws {
        // Small enough to come in one piece, so that a failing write is tried once.
        let sample = Sample(size: 1)
        let request = Request(method: .post, path: Site.route, contentType: formType)
        for moment in [FailingStore.Moment.receive, .write, .commit] {
            try check(row, at: moment) { $0.send(request, Pieces(sample.form(1))) }
        }
        let fileFirst = form([.file(sample.bytes)] + sample.fields(1))
        try check(row, at: .spool) { $0.send(request, Pieces(fileFirst)) }
    }

    @Test("a removal gets the error's outcome", arguments: rows)
    func removals(_ row: Row) throws {
        let token = DeleteToken("0123456789abcdef")
        let store = FailingStore(row.error, at: .remove)
        let site = Site(
            store: store, folder: try TemporaryFolder(),
            UploadSettings(authorization: Authorization(deleteToken: token) { 0 }))
        let request = Request(
            method: .delete, path: Site.route, query: Sample(size: 3).query(1),
            authorization: "Bearer 0123456789abcdef")
        #expect(site.send(request).header("X-Upload-Outcome") == row.outcome.rawValue)
    }

    @Test("a body of octets gets the error's outcome, whenever it comes", arguments: rows)
    func octets(_ row: Row) throws {
        let sample = Sample(size: 1)
        let request = Request(
            method: .post, path: Site.route, query: sample.query(1), contentType: "application/octet-stream")
        for moment in [FailingStore.Moment.receive, .write, .commit] {
            try check(row, at: moment) { $0.send(request, Pieces(sample.bytes)) }
        }
    }
}
