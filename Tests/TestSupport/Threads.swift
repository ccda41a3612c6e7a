import Glibc
package import Linux
import Synchronization

/// Runs `work` on that many threads, which begin together, and waits for all. They are threads of the system, because
/// the tested code blocks.
package func onThreads(_ count: Int, _ work: @escaping @Sendable (Int) -> Void) throws(ThreadError) {
    final class Everybody: Sendable { let isReady = Atomic(false) }

    let everybody = Everybody()
    var threads: [Thread] = []
    // Also if a thread could not be started: the others must end.
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
