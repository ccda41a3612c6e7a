#if THREAD_SANITIZER
    import Glibc

    // ThreadSanitizer doesn't see into the standard library, so every access under its `Mutex` would be reported as a
    // race. It knows this one. Tests/run sets the condition for that run; nothing else does.

    /// A value that one thread at a time can reach: a stand-in for `Mutex`, over pthread_mutex_t.
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
#else
    package import Synchronization

    /// A value that one thread at a time can reach.
    package typealias Lock = Mutex
#endif
