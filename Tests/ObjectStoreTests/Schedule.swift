import Linux
import TestSupport

@testable import S3

/// Lets the threads of a simulation run one at a time, from one call to the engine to the next. A seed decides whose
/// turn it is and what fails, so a run can be repeated.
final class Schedule: Sendable {
    private struct State {
        var generator: SplitMix64
        /// How many threads have not ended.
        var threads: Int
        /// The threads that wait for their turn.
        var waiting: Set<Int> = []
        var running: Int?
        /// In Unix seconds.
        var time: UInt64 = 1_800_000_000

        mutating func pick() {
            guard running == nil, waiting.count == threads, !waiting.isEmpty else { return }
            let order = waiting.sorted()
            running = order[Int(generator.next() % UInt64(order.count))]
            running.map { _ = waiting.remove($0) }
            // Calls take no time or some seconds.
            if generator.next() % 16 == 0 { time += generator.next() % 3 }
        }
    }

    private let state: Monitor<State>

    init(seed: UInt64, threads: Int) {
        state = Monitor(State(generator: SplitMix64(seed: seed), threads: threads))
    }

    /// Begins another run.
    func begin(threads: Int) { state.change { $0.threads = threads } }

    var time: UInt64 { state.wait { $0.time } }

    func wait(seconds: UInt64) { state.change { $0.time += seconds } }

    /// A random number. For the thread whose turn it is.
    func random() -> UInt64 { state.wait { $0.generator.next() } }

    /// True with a probability. For the thread whose turn it is.
    func happens(_ probability: Double) -> Bool { Double(random() >> 11) / Double(1 << 53) < probability }

    /// Waits for the turn of a thread.
    func turn(of thread: Int) {
        state.change { state in
            if state.running == thread { state.running = nil }
            state.waiting.insert(thread)
            state.pick()
        }
        state.wait { $0.running == thread ? () : nil }
    }

    /// Ends a thread.
    func end(_ thread: Int) {
        state.change { state in
            if state.running == thread { state.running = nil }
            state.threads -= 1
            state.pick()
        }
    }
}

/// The faults of a simulation, as probabilities for each call.
struct Faults {
    /// The host dies in front of the call or behind it.
    var death = 0.0
    /// The answer is lost, and the S3 client makes the call again.
    var repetition = 0.0
    /// The call fails although it may have been made.
    var failure = 0.0
}

/// A host's life: from its start until it dies.
final class Life: Sendable {
    private let isOver = Lock(false)

    var isDead: Bool { isOver.withLock { $0 } }

    func bucket(_ engine: MemoryEngine, _ schedule: Schedule, thread: Int, _ faults: Faults) -> MemoryBucket {
        MemoryBucket(engine) { [self] name, call throws(S3Error) in
            let silence = S3Error.unreachable(S3Cause(operation: name, message: "simulated"))
            if isDead { throw silence }
            schedule.turn(of: thread)
            if schedule.happens(faults.death) {
                isOver.withLock { $0 = true }
                throw silence
            }
            if schedule.happens(faults.failure / 2) { throw silence }
            var error = call()
            if schedule.happens(faults.death) {
                isOver.withLock { $0 = true }
                throw silence
            }
            if schedule.happens(faults.failure / 2) { throw silence }
            if schedule.happens(faults.repetition) {
                // Others have their turn between the two.
                schedule.turn(of: thread)
                error = call()
            }
            if let error { throw error }
        }
    }
}
