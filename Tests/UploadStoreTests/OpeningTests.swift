import Glibc
import Linux
import StoreTestSupport
import TestSupport
import Testing
import UploadModel

@testable import UploadStore

// Opening an upload may take long: reading its journal, recovering and salvaging it. Then requests for it must not hold
// all threads.

@Suite struct OpeningTests {
    @Test("While one thread opens an upload, others wait a short time and then have to retry")
    func others() throws {
        let site = try Site()
        let id = try uploadID()
        let chunks = Chunk.all(of: 30, size: 10)
        try site.store().send(chunks[0], of: content(30), as: id)
        // After a reboot, opening it takes the journal's lock. Another process holds that.
        let store = try site.store(boot: 2)
        let file = try #require(try store.state.open(UploadKey(id).journal))
        #expect(try file.lock(offset: 0, length: 1, wait: false))
        let (opened, errors, isFree) = (Collected<Bool>(), Collected<StoreError>(), Collected<Bool>())
        let began = MonotonicClock.milliseconds
        try onThreads(12) { index in
            do {
                opened.add(try store.isHeld(chunks[0], of: id))
                #expect(!isFree.all.isEmpty)
            } catch let error as StoreError {
                errors.add(error)
                // The one that opens it is the last.
                if errors.all.count == 11 {
                    isFree.add(true)
                    file.unlock(offset: 0, length: 1)
                }
            } catch {
                Issue.record(error)
            }
        }
        #expect(errors.all == Array(repeating: .busy, count: 11))
        #expect(opened.all == [true])
        #expect(MonotonicClock.milliseconds - began < 20_000)
    }

    @Test("Threads that open an upload at the same time all get it", arguments: 0..<10)
    func together(round: Int) throws {
        let site = try Site()
        let id = try uploadID()
        let chunks = Chunk.all(of: 30, size: 10)
        try site.store().send(chunks[0], of: content(30), as: id)
        let store = try site.store(boot: UInt64(1 + round % 2))
        let opened = Collected<Bool>()
        try onThreads(8) { _ in
            let isHeld = try? untilNotBusy { try store.isHeld(chunks[0], of: id) }
            opened.add(isHeld ?? false)
        }
        #expect(opened.all == Array(repeating: true, count: 8))
    }
}
