import Glibc
import Linux
package import Logging
import UploadModel
package import UploadStore

// Tells receivers of finished files, at least once each, on threads of its own: nobody who uploads ever waits for them.
//
// A few threads a receiver take turns at the queue. Who takes an upload gets its lease in the outbox, tells all that is
// owed of it, oldest first, and writes down what came of it. One that fails keeps the later ones of the same upload
// waiting, and no others. The queue only says where to look; what is owed is always read from the outbox, so whatever
// is lost with this process is found by the next one, or by another on the same root.

/// What a dispatcher has to say to whoever counts.
package enum DeliveryNews: Sendable, Equatable {
    /// A receiver knows of a file.
    case delivered(to: Recipients)
    /// It could not be told; it is tried again.
    case failed(to: Recipients)
    /// So many uploads have something to be told to it, as far as is known here.
    case pending(Int, to: Recipients)
}

/// Delivers what the store's outbox holds.
package final class Dispatcher: Sendable {
    /// How many deliveries to one receiver are under way at the same time.
    private static let lanes = 4
    /// How often the outbox is asked whether an operator wants something, in milliseconds.
    private static let wishInterval: UInt64 = 1000

    /// Who is told of finished files.
    package struct Receivers: Sendable {
        /// The operator's program, and the time it has in seconds.
        package var program: (path: String, seconds: Int)?
        package var site: WebhookEndpoint?

        package init(program: (path: String, seconds: Int)? = nil, site: WebhookEndpoint? = nil) {
            self.program = program
            self.site = site
        }

        /// Their bits, for the store's settings.
        package var recipients: Recipients {
            var recipients: Recipients = []
            if program != nil { recipients.insert(.program) }
            if site != nil { recipients.insert(.url) }
            return recipients
        }

        /// How many threads deliver.
        package var threads: Int { recipients.each.count * Dispatcher.lanes }
    }

    private struct Line: Sendable {
        let receiver: any Receiver
        let queue = Monitor(DeliveryQueue())
    }

    private let lines: [Line]
    private let threads = Lock<[Thread]>([])
    private let stopFlag = StopFlag()
    private let log: Logger
    private let tell: @Sendable (DeliveryNews) -> Void

    /// A dispatcher that is not at work yet.
    ///
    /// - Parameters:
    ///   - root: the store's root, as an absolute path: programs are told where files are.
    ///   - environment: what programs inherit, as `NAME=value`; but for what is named like the facts.
    ///   - tell: is told what comes of it, on the threads that deliver.
    package init(
        _ receivers: Receivers, root: String, environment: [String], log: Logger,
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

    /// What the store's observer is to be told.
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

    /// Begins to deliver what the outbox holds.
    ///
    /// - Returns: false if the machine won't give the threads.
    package func start(_ outbox: any EventOutbox) -> Bool {
        for line in lines {
            for lane in 0..<Dispatcher.lanes {
                guard let thread = try? Thread({ self.work(line, outbox, watches: lane == 0) }) else { return false }
                threads.withLock { $0.append(thread) }
            }
        }
        return true
    }

    /// Ends the deliveries: those under way have so many seconds, then they are broken off, to be made again by the next
    /// process.
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

    /// - Parameter watches: whether this lane looks for an operator's wishes.
    private func work(_ line: Line, _ outbox: any EventOutbox, watches: Bool) {
        var wishes = (try? outbox.changes()) ?? 0
        while true {
            let rest = watches ? milliseconds() + Dispatcher.wishInterval : .max
            let task = line.queue.wait(
                for: { $0.take(now: milliseconds()) ?? (milliseconds() >= rest ? .rest : nil) },
                pause: { min($0.pause(now: milliseconds()), rest - min(milliseconds(), rest)) })
            switch task {
            case .deliver(let key): deliver(key, line, outbox)
            case .look: look(line, outbox)
            case .rest:
                guard let wished = try? outbox.changes(), wished != wishes else { continue }
                if line.queue.change({ $0.look(now: milliseconds()) }) { wishes = wished }
            case .stop: return
            }
        }
    }

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

    /// Tells all that is owed of one upload.
    private func deliver(_ key: UploadKey, _ line: Line, _ outbox: any EventOutbox) {
        let recipient = line.receiver.recipient
        do throws(StoreError) {
            guard let lease = try outbox.lease(key, for: recipient) else {
                // Another process is at it.
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
