import Glibc

/// A value that one thread at a time can reach, over pthread_mutex_t.
///
/// Not the standard library's `Mutex`: under many threads that one spins, which took a third of the processor's time for
/// tests of chunks (`Tests/bench --only W5`: 2.2 times as fast with this one). And ThreadSanitizer, which doesn't see into
/// the standard library, knows this one.
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

    /// Calls `body` with the value while no other thread can.
    package func withLock<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
