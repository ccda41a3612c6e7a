import Glibc

/// A value that one thread at a time can access, protected by a pthread_mutex_t.
///
/// The standard library's `Mutex` spins when many threads wait, which took a third of the processor time for tests of
/// chunks (`Tests/bench --only W5` is 2.2 times as fast with this one). And ThreadSanitizer understands this one, but
/// does not see into the standard library.
package final class Lock<Value>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var value: Value

    package init(_ value: Value) {
        self.value = value
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Calls `body` with the value while no other thread can access it.
    package func withLock<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
