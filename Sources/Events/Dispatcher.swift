import Glibc
import Linux
package import Logging
import UploadModel
package import UploadStore

// Delivers events of finished files to receivers, at least once each, on threads of its own: no request waits for a
// delivery.
//
// Each receiver has a queue and a few threads that serve it. A thread takes an upload from the queue, takes its lease
// in the outbox, delivers the upload's events, the oldest first, and records each result. A failed delivery holds back
// the later events of the same upload and no others. The queue only tells which uploads to look at. Owed events are
// always read from the outbox, so the next process, or another one that shares the store, delivers those that this
// process leaves.

/// The results of deliveries, for counters.
package enum DeliveryNews: Sendable, Equatable {
    /// The receiver has received an event.
    case delivered(to: Recipients)
    /// A delivery failed and will be tried again.
    case failed(to: Recipients)
    /// The number of uploads that have events for the receiver, as far as this process knows.
    case pending(Int, to: Recipients)
}

/// Delivers the events in a store's outbox.
package final class Dispatcher: Sendable {
    /// How many threads deliver to one receiver.
    private static let lanes = 4
    /// How often a dispatcher looks for changes that operators made to the outbox, in milliseconds.
    private static let changeInterval: UInt64 = 1000

    /// The receivers of events.
    package struct Receivers: Sendable {
        /// The operator's program, and its time limit in seconds.
        package var program: (path: String, seconds: Int)?
        /// The operator's site.
        package var site: WebhookEndpoint?

        package init(program: (path: String, seconds: Int)? = nil, site: WebhookEndpoint? = nil) {
            self.program = program
            self.site = site
        }

        /// The recipients, for the store's settings.
        package var recipients: Recipients {
            var recipients: Recipients = []
            if program != nil { recipients.insert(.program) }
            if site != nil { recipients.insert(.url) }
            return recipients
        }

        /// The number of threads that a dispatcher starts.
        package var threads: Int { recipients.each.count * Dispatcher.lanes }
    }

    /// A receiver and its queue.
    private struct Line: Sendable {
        let receiver: any Receiver
        let queue = Monitor(DeliveryQueue())
    }

    private let lines: [Line]
    private let threads = Lock<[Thread]>([])
    private let stopFlag = StopFlag()
    private let log: Logger
    private let tell: @Sendable (DeliveryNews) -> Void

    /// Makes a dispatcher that has not started.
    ///
    /// - Parameters:
    ///   - root: the absolute path of the folder of finished files, for programs; nil if the store keeps no files on
    ///     this
    ///     machine.
    ///   - environment: the variables that programs inherit, as `NAME=value`. Variables of this program are left out.
    ///   - tell: receives the results, on the threads that deliver.
    package init(
        _ receivers: Receivers, root: String?, environment: [String], log: Logger,
        tell: @escaping @Sendable (DeliveryNews) -> Void = { _ in }
    ) {
        var lines: [Line] = []
        if let program = receivers.program {
            lines.append(
                Line(
                    receiver: ProgramReceiver(
                        path: program.path, root: root, seconds: program.seconds, inherited: environment,
                        log: log)))
        }
        if let site = receivers.site {
            HTTPPost.setUp()
            lines.append(Line(receiver: WebhookReceiver(site: site)))
        }
        self.lines = lines
        self.log = log
        self.tell = tell
    }

    /// Queues the upload of a `finished` event. The store's observer calls this.
    package func observe(_ event: StoreEvent) {
        guard case .finished(let upload) = event else { return }
        let key = UploadKey(upload.id)
        for line in lines {
            let count = line.queue.change(forOne: true) { queue in
                queue.add(key, due: milliseconds())
                return queue.count
            }
            tell(.pending(count, to: line.receiver.recipient))
        }
    }

    /// Starts to deliver the events in `outbox`.
    ///
    /// - Returns: false if the threads cannot be started.
    package func start(_ outbox: any EventOutbox) -> Bool {
        for line in lines {
            for lane in 0..<Dispatcher.lanes {
                guard let thread = try? Thread({ self.work(line, outbox, watches: lane == 0) }) else { return false }
                threads.withLock { $0.append(thread) }
            }
        }
        return true
    }

    /// Stops the threads. Deliveries under way have `seconds` to end; then they are broken off, and the next process
    /// makes them again.
    package func stop(within seconds: Int) {
        for line in lines { line.queue.change { $0.isStopping = true } }
        let threads = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        let deadline = time(nil) + seconds
        let busy = threads.filter { !$0.join(until: deadline) }
        stopFlag.set()
        for thread in busy { thread.join() }
    }

    // MARK: One lane

    /// - Parameter watches: whether this thread looks for changes that operators made.
    private func work(_ line: Line, _ outbox: any EventOutbox, watches: Bool) {
        var changes = (try? outbox.changes()) ?? 0
        while true {
            let rest = watches ? milliseconds() + Dispatcher.changeInterval : .max
            let task = line.queue.wait(
                for: { $0.take(now: milliseconds()) ?? (milliseconds() >= rest ? .rest : nil) },
                pause: { min($0.pause(now: milliseconds()), rest - min(milliseconds(), rest)) })
            switch task {
            case .deliver(let key): deliver(key, line, outbox)
            case .look: look(line, outbox)
            case .rest:
                guard let latest = try? outbox.changes(), latest != changes else { continue }
                if line.queue.change({ $0.look(now: milliseconds()) }) { changes = latest }
            case .stop: return
            }
        }
    }

    /// Reads the outbox, and queues the uploads that have events for the receiver.
    private func look(_ line: Line, _ outbox: any EventOutbox) {
        let recipient = line.receiver.recipient
        do throws(StoreError) {
            let found = try outbox.events(owedTo: recipient, atMost: DeliveryQueue.capacity)
            let (clock, time) = (milliseconds(), UInt64(time(nil)))
            let due = found.events.map { event in
                let next = event.attempts[recipient]?.next ?? 0
                return (event.key, clock + (next > time ? min(next - time, Backoff.longest) * 1000 : 0))
            }
            line.queue.change { $0.looked(due, isMore: found.isMore, now: clock) }
        } catch {
            log.error("outbox cannot be read", metadata: ["cause": "\(error)"])
            line.queue.change { $0.looked([], isMore: true, now: milliseconds()) }
        }
        report(line)
    }

    /// Delivers the events of one upload.
    private func deliver(_ key: UploadKey, _ line: Line, _ outbox: any EventOutbox) {
        let recipient = line.receiver.recipient
        do throws(StoreError) {
            guard let lease = try outbox.lease(key, for: recipient) else {
                // Another process delivers them.
                return line.queue.change { $0.postpone(key, until: milliseconds() + 1000) }
            }
            while let event = try lease.next() {
                switch line.receiver.deliver(event, stop: stopFlag) {
                case .delivered:
                    try lease.delivered(event)
                    line.queue.change { $0.receiverAnswered(now: milliseconds()) }
                    log.info("event delivered", metadata: facts(event, line))
                    tell(.delivered(to: recipient))
                case .failed(let failure):
                    if failure.isStopped { return }
                    try postpone(key, event, lease, line, failure)
                    return report(line)
                }
            }
            line.queue.change { $0.finished(key, now: milliseconds()) }
        } catch {
            log.error("event cannot be handled", metadata: ["cause": "\(error)"])
            line.queue.change { $0.postpone(key, until: milliseconds() + 10_000) }
        }
        report(line)
    }

    /// Records a failed delivery, and queues the next attempt.
    private func postpone(
        _ key: UploadKey, _ event: OwedEvent, _ lease: any DeliveryLease, _ line: Line,
        _ failure: Delivery.Failure
    ) throws(StoreError) {
        let recipient = line.receiver.recipient
        let count = (event.attempts[recipient]?.count ?? 0) + 1
        let pause = Backoff.milliseconds(after: count, atLeast: failure.retryAfter, random: .random(in: 0..<1))
        line.queue.change { queue in
            queue.postpone(key, until: milliseconds() + pause, isWaitingForReceiver: failure.isUnreachable)
            if let asked = failure.retryAfter {
                queue.pauseReceiver(until: milliseconds() + min(asked, Backoff.longest) * 1000)
            }
        }
        tell(.failed(to: recipient))
        log.warning(
            "event not delivered",
            metadata: facts(event, line).merging(
                ["attempt": "\(count)", "reason": "\(failure.reason)", "next": "\((pause + 999) / 1000)"],
                uniquingKeysWith: { $1 }))
        let next = UInt64(time(nil)) + (pause + 999) / 1000
        try lease.failed(event, Attempts(count: count, next: next, reason: failure.reason))
    }

    private func report(_ line: Line) {
        tell(.pending(line.queue.change { $0.count }, to: line.receiver.recipient))
    }

    private func facts(_ event: OwedEvent, _ line: Line) -> Logger.Metadata {
        [
            "name": "\(event.upload.id.filename)", "event": "\(event.id)",
            "receiver": "\(line.receiver.recipient.name)",
        ]
    }
}
