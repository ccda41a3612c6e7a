import Linux
import TestSupport
import Testing
import UploadModel
import UploadStore

@testable import ObjectStore
@testable import S3

/// A file that clients of a simulation upload.
struct SimulatedFile: Sendable {
    let id: UploadID
    let content: [UInt8]
    let chunks: [ChunkRequest]

    /// - Parameters:
    ///   - chunkSizes: the size of the first chunks, and that of the others: a client that came back.
    ///   - isForced: true if the remainder is a chunk of its own.
    ///   - quota: that of the client's token.
    init(
        _ identifier: String, _ name: String, _ content: [UInt8], chunkSizes: [Int], isForced: Bool,
        quota: TokenQuota? = nil
    ) throws {
        id = try UploadID(identifier: identifier, filename: FileName(name, parameter: ""), parameter: "")
        self.content = content
        var chunks: [ChunkRequest] = []
        var done = 0
        for (index, chunkSize) in chunkSizes.enumerated() {
            let limit = content.count * (index + 1) / chunkSizes.count
            let count = isForced ? (content.count + chunkSize - 1) / chunkSize : content.count / chunkSize
            for number in 1...max(count, 1) {
                let start = (number - 1) * chunkSize
                let end = number == max(count, 1) ? content.count : start + chunkSize
                let isLastSize = index == chunkSizes.count - 1
                guard end > done || content.isEmpty, isLastSize || end <= limit else { continue }
                let layout = ChunkLayout(offset: UInt64(start), length: UInt64(end - start))
                chunks.append(
                    ChunkRequest(
                        upload: id, number: UInt64(number),
                        place: .sized(total: UInt64(content.count), chunkSize: UInt64(chunkSize), layout),
                        quota: quota))
                if !isLastSize { done = max(done, end) }
            }
        }
        self.chunks = chunks
    }

    func bytes(of chunk: ChunkRequest) -> ArraySlice<UInt8> {
        guard case .sized(_, _, let layout) = chunk.place else { return [] }
        return content[Int(layout.range.start)..<Int(layout.range.end)]
    }
}

/// Hosts, an engine in memory, and clients that send files to them.
final class Simulation: Sendable {
    enum Job: Sendable {
        case chunk(SimulatedFile, ChunkRequest)
        case test(SimulatedFile, ChunkRequest)
        case removal(SimulatedFile)
        /// Tests every chunk and sends those that are missing, as a client does that comes back.
        case resumption(SimulatedFile)
        case sweep
        /// Lets other hosts make some calls.
        case pause(Int)
        case wait(seconds: UInt64)
    }

    static let lengths = Grid.Lengths(
        smallestPart: 16 << 10, usual: 24 << 10, longestGathered: 64 << 10, longestChunk: 1 << 20)
    static let hosts = 4
    /// Those who are to be told of files.
    static let recipients = Recipients(rawValue: 3)

    let engine: MemoryEngine
    let schedule: Schedule
    let scratch: TemporaryFolder
    private let folder: LinuxDirectory
    private let faults: Faults
    private let settings: StoreSettings
    /// The paths that were told to be finished, once for each time.
    let finished = Lock<[String]>([])
    /// The files that were removed by their client.
    let removed = Lock<Set<UploadID>>([])
    let trouble = Lock<[String]>([])

    /// A request that changes an upload.
    struct Event {
        let id: UploadID
        /// Nil for a removal.
        let range: ByteRange?
        let bytes: [UInt8]
        /// How many requests had begun before it, and when it ended; nil while it is under way or if its host has died.
        let begun: Int
        var end: Int?
    }

    let history = Lock<[Event]>([])

    init(seed: UInt64, _ faults: Faults, settings: StoreSettings = StoreSettings(expire: 0)) throws {
        let schedule = Schedule(seed: seed, threads: Simulation.hosts)
        self.schedule = schedule
        engine = MemoryEngine(keepsReplacedParts: seed % 2 == 0, page: seed % 3 == 0 ? 7 : 1000) { schedule.time }
        scratch = try TemporaryFolder()
        folder = try LinuxDirectory.root(scratch.path)
        self.faults = faults
        var settings = settings
        settings.recipients = Simulation.recipients
        self.settings = settings
    }

    private func store(_ bucket: any ObjectBucket, random: @escaping @Sendable () -> UInt64) -> ObjectStore {
        ObjectStore(
            bucket, prefix: "files/", settings: settings, scratch: folder, lengths: Simulation.lengths,
            now: { [schedule] in schedule.time }, random: random,
            observe: { [finished] event in
                if case .finished(let upload) = event { finished.withLock { $0.append(upload.path ?? "") } }
            }, admit: { _, _ throws(StoreError) in })
    }

    /// A host on which nothing fails, once the others have ended.
    func calmHost() -> ObjectStore {
        store(MemoryBucket(engine)) { [schedule] in schedule.random() }
    }

    /// Sends a file to a host that dies at one of its calls, and then to another one.
    ///
    /// - Returns: whether the first host made so many calls.
    func send(_ file: SimulatedFile, dyingAt call: Int, after isAfter: Bool) throws -> Bool {
        try send(file.chunks.map { (file, $0) }, dyingAt: call, after: isAfter, then: file)
    }

    /// Sends chunks to a host that dies at one of its calls, and then a file to another one, unless it is nil.
    ///
    /// - Returns: whether the first host made so many calls.
    func send(
        _ chunks: [(SimulatedFile, ChunkRequest)], dyingAt call: Int, after isAfter: Bool, then file: SimulatedFile?
    ) throws -> Bool {
        let calls = Lock(0)
        let bucket = MemoryBucket(engine) { name, work throws(S3Error) in
            let number = calls.withLock { calls in
                calls += 1
                return calls - 1
            }
            let silence = S3Error.unreachable(S3Cause(operation: name, message: "simulated"))
            if number > call || number == call && !isAfter { throw silence }
            if let error = work() { throw error }
            if number == call { throw silence }
        }
        let host = store(bucket) { [schedule] in schedule.random() }
        for (file, chunk) in chunks { try? perform(.chunk(file, chunk), on: host) }
        let next = calmHost()
        if let file {
            for chunk in file.chunks { try insist(file, chunk, on: next) }
        }
        return calls.withLock { $0 } > call
    }

    /// Sends a chunk, and again if others may still be at work.
    private func insist(_ file: SimulatedFile, _ chunk: ChunkRequest, on host: ObjectStore) throws {
        for _ in 0..<3 {
            do throws(StoreError) { return try perform(.chunk(file, chunk), on: host) } catch {
                schedule.wait(seconds: ObjectStore.stepSeconds)
            }
        }
    }

    /// Runs more jobs after others.
    func runAgain(_ jobs: [Job]) throws {
        schedule.begin(threads: Simulation.hosts)
        try run(jobs)
    }

    /// Runs jobs on all hosts until all are done.
    ///
    /// - Parameter own: jobs for one host each, as a load balancer would distribute them. If one fails, any host takes
    ///   it.
    func run(_ jobs: [Job], own: [[Job]] = []) throws {
        let queue = Lock(jobs)
        let queues = (0..<Simulation.hosts).map { Lock($0 < own.count ? own[$0] : []) }
        try onThreads(Simulation.hosts) { [self] thread in
            defer { schedule.end(thread) }
            // Nothing is shared before the first turn.
            schedule.turn(of: thread)
            var life = Life()
            var host = start(life, thread)
            var failures = 0
            while let job = next(queues[thread]) ?? next(queue) {
                if case .pause(let turns) = job {
                    for _ in 0..<turns { schedule.turn(of: thread) }
                    continue
                }
                do throws(StoreError) {
                    try perform(job, on: host)
                } catch {
                    failures += 1
                    guard failures < 3000 else {
                        trouble.withLock { $0.append("given up: \(error)") }
                        return
                    }
                    queue.withLock { $0.append(job) }
                    schedule.wait(seconds: 1)
                    schedule.turn(of: thread)
                }
                if life.isDead {
                    life = Life()
                    host = start(life, thread)
                }
            }
        }
    }

    private func start(_ life: Life, _ thread: Int) -> ObjectStore {
        store(life.bucket(engine, schedule, thread: thread, faults)) { [schedule] in schedule.random() }
    }

    /// Takes a job near the front, so that chunks come nearly in order.
    private func next(_ queue: Lock<[Job]>) -> Job? {
        queue.withLock { jobs in
            jobs.isEmpty ? nil : jobs.remove(at: Int(schedule.random() % UInt64(min(jobs.count, 6))))
        }
    }

    /// Performs a job, and once more if a client was told to send the file again.
    func insist(_ job: Job, on host: ObjectStore) throws(StoreError) {
        do throws(StoreError) { try perform(job, on: host) } catch {
            guard case .untrusted = error else { throw error }
            try perform(job, on: host)
        }
    }

    private func layoutRange(_ chunk: ChunkRequest) -> ByteRange? {
        if case .sized(_, _, let layout) = chunk.place { layout.range } else { nil }
    }

    private func begin(_ id: UploadID, _ range: ByteRange?, _ bytes: [UInt8]) -> Int {
        history.withLock { history in
            history.append(Event(id: id, range: range, bytes: bytes, begun: history.count))
            return history.count - 1
        }
    }

    private func end(_ event: Int) { history.withLock { $0[event].end = $0.count } }

    func perform(_ job: Job, on host: ObjectStore) throws(StoreError) {
        switch job {
        case .chunk(let file, let chunk):
            let begun = begin(file.id, layoutRange(chunk), Array(file.bytes(of: chunk)))
            defer { end(begun) }
            let writer = try host.receive(chunk)
            try Array(file.bytes(of: chunk)).withBytes { bytes throws(StoreError) in try writer.write(bytes) }
            _ = try writer.commit()
            // No other thread has a turn before this one makes its next call.
            if let fault = try doubt(about: file, chunk, begun: begun) { trouble.withLock { $0.append(fault) } }
        case .pause: break
        case .wait(let seconds): schedule.wait(seconds: seconds)
        case .test(_, let chunk): _ = try host.status(of: chunk)
        case .resumption(let file):
            var missing: [ChunkRequest] = []
            for chunk in file.chunks where try host.status(of: chunk)?.receipt == nil { missing.append(chunk) }
            for chunk in missing { try perform(.chunk(file, chunk), on: host) }
        case .removal(let file):
            let begun = begin(file.id, nil, [])
            defer { end(begun) }
            do throws(StoreError) {
                _ = try host.remove(file.id)
                removed.withLock { _ = $0.insert(file.id) }
            } catch { if error != .finished { throw error } }
        case .sweep:
            if let failure = host.sweep().failures.first { throw failure }
        }
    }
}
