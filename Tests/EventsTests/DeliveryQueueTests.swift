import Testing
import UploadModel
import UploadStore

@testable import Events

@Suite struct DeliveryQueueTests {
    private func key(_ number: Int) throws -> UploadKey {
        UploadKey(
            try UploadID(
                identifier: "\(number)", filename: FileName("name", parameter: ""), parameter: ""))
    }

    /// The queue behind a reference, because an expectation cannot change a value.
    private final class Queue {
        private var queue = DeliveryQueue()

        var count: Int { queue.count }
        func add(_ key: UploadKey, due: UInt64) { queue.add(key, due: due) }
        func take(now: UInt64) -> DeliveryQueue.Task? { queue.take(now: now) }
        func pause(now: UInt64) -> UInt64 { queue.pause(now: now) }
        func finished(_ key: UploadKey, now: UInt64) { queue.finished(key, now: now) }
        func postpone(_ key: UploadKey, until due: UInt64, isWaitingForReceiver: Bool = false) {
            queue.postpone(key, until: due, isWaitingForReceiver: isWaitingForReceiver)
        }
        func receiverAnswered(now: UInt64) { queue.receiverAnswered(now: now) }
        func pauseReceiver(until time: UInt64) { queue.pauseReceiver(until: time) }
        func looked(_ found: [(key: UploadKey, due: UInt64)], isMore: Bool, now: UInt64) {
            queue.looked(found, isMore: isMore, now: now)
        }
        func look(now: UInt64) -> Bool { queue.look(now: now) }
        func stop() { queue.isStopping = true }
    }

    /// A queue whose outbox was read at 0 and was empty.
    private func queue() -> Queue {
        let queue = Queue()
        #expect(queue.take(now: 0) == .look)
        queue.looked([], isMore: false, now: 0)
        return queue
    }

    @Test("The outbox is read first, by one thread")
    func first() {
        let queue = Queue()
        #expect(queue.take(now: 5) == .look)
        #expect(queue.take(now: 5) == nil)
        queue.looked([], isMore: false, now: 10)
        #expect(queue.take(now: 10 + DeliveryQueue.lookInterval - 1) == nil)
        #expect(queue.take(now: 10 + DeliveryQueue.lookInterval) == .look)
    }

    @Test("Uploads are taken in the order in which they are due, each by one thread")
    func order() throws {
        let queue = queue()
        let keys = try (0..<3).map(key)
        queue.add(keys[0], due: 30)
        queue.add(keys[1], due: 10)
        queue.add(keys[2], due: 20)
        #expect(queue.take(now: 9) == nil)
        #expect(queue.pause(now: 9) == 1)
        #expect(queue.take(now: 40) == .deliver(keys[1]))
        #expect(queue.take(now: 40) == .deliver(keys[2]))
        #expect(queue.take(now: 40) == .deliver(keys[0]))
        #expect(queue.take(now: 40) == nil)
    }

    @Test("An event that comes during a delivery of its upload is delivered after it")
    func more() throws {
        let queue = queue()
        let key = try key(1)
        queue.add(key, due: 1)
        #expect(queue.take(now: 1) == .deliver(key))
        queue.add(key, due: 2)
        #expect(queue.take(now: 2) == nil)
        queue.finished(key, now: 3)
        #expect(queue.take(now: 3) == .deliver(key))
        queue.finished(key, now: 4)
        #expect(queue.take(now: 4) == nil)
        #expect(queue.count == 0)
    }

    @Test("When a receiver answers again, the uploads that waited for it are due, and no others")
    func back() throws {
        let queue = queue()
        let keys = try (0..<3).map(key)
        for (number, key) in keys.enumerated() { queue.add(key, due: UInt64(number)) }
        for key in keys { #expect(queue.take(now: 3) == .deliver(key)) }
        queue.postpone(keys[0], until: 1000, isWaitingForReceiver: true)
        queue.postpone(keys[1], until: 1000)
        queue.finished(keys[2], now: 5)
        queue.receiverAnswered(now: 6)
        #expect(queue.take(now: 6) == .deliver(keys[0]))
        #expect(queue.take(now: 999) == nil)
        #expect(queue.take(now: 1000) == .deliver(keys[1]))
    }

    @Test("A receiver gets no deliveries until the time that it asked for")
    func paused() throws {
        let queue = queue()
        queue.add(try key(1), due: 0)
        queue.pauseReceiver(until: 500)
        #expect(queue.take(now: 499) == nil)
        #expect(queue.pause(now: 400) == 100)
        #expect(queue.take(now: 500) == .deliver(try key(1)))
    }

    @Test("Uploads beyond the capacity are found by another look, once half of the others are delivered")
    func full() throws {
        let queue = queue()
        let keys = try (0...DeliveryQueue.capacity).map(key)
        for key in keys { queue.add(key, due: 0) }
        #expect(queue.count == DeliveryQueue.capacity)
        var told = 0
        while case .deliver(let key) = queue.take(now: 1) {
            queue.finished(key, now: 1)
            told += 1
        }
        #expect(told == DeliveryQueue.capacity / 2)
        queue.looked([(keys[DeliveryQueue.capacity], 2)], isMore: false, now: 2)
        while case .deliver(let key) = queue.take(now: 3) {
            queue.finished(key, now: 3)
            told += 1
        }
        #expect(told == DeliveryQueue.capacity + 1)
    }

    @Test("A change by an operator makes the outbox be read, which can change when an upload is due")
    func changes() throws {
        let queue = queue()
        let key = try key(1)
        queue.add(key, due: 100_000)
        #expect(queue.look(now: 50))
        #expect(queue.take(now: 50) == .look)
        #expect(!queue.look(now: 51))
        queue.looked([(key, 60)], isMore: false, now: 55)
        #expect(queue.take(now: 60) == .deliver(key))
    }

    @Test("A queue that is stopping begins no task")
    func stopping() throws {
        let queue = queue()
        queue.add(try key(1), due: 0)
        queue.stop()
        #expect(queue.take(now: 1) == .stop)
    }

    @Test(
        "The pauses double from a second to an hour, less up to a quarter",
        arguments: [(1, 1), (2, 2), (3, 4), (11, 1024), (12, 2048), (13, 3600), (10_000, 3600)])
    func backoff(count: Int, seconds: UInt64) {
        #expect(Backoff.milliseconds(after: count, atLeast: nil, random: 0) == seconds * 1000)
        #expect(Backoff.milliseconds(after: count, atLeast: nil, random: 1) == seconds * 750)
    }

    @Test("A pause is at least as long as the receiver asks for, up to an hour")
    func asked() {
        #expect(Backoff.milliseconds(after: 1, atLeast: 60, random: 0.5) == 60_000)
        #expect(Backoff.milliseconds(after: 13, atLeast: 60, random: 0) == 3_600_000)
        #expect(Backoff.milliseconds(after: 1, atLeast: .max, random: 0) == 3_600_000)
    }
}
