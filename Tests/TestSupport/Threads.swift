import Glibc
package import Linux
import Synchronization

/// Runs `work` on that many threads, which begin together, and waits for all. The threads are real ones, because what is
/// tested blocks.
package func onThreads(_ count: Int, _ work: @escaping @Sendable (Int) -> Void) throws(ThreadError) {
    final class Everybody: Sendable { let isReady = Atomic(false) }

    let everybody = Everybody()
    var threads: [Thread] = []
    // Also where not all threads could be made: then those that run must come to an end.
    defer {
        everybody.isReady.store(true, ordering: .releasing)
        for thread in threads { thread.join() }
    }
    for index in 0..<count {
        let thread = try Thread {
            while !everybody.isReady.load(ordering: .acquiring) { sched_yield() }
            work(index)
        }
        threads.append(thread)
    }
}
