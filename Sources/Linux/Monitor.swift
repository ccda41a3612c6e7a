import Glibc

/// A value that one thread at a time can access, and whose changes threads can wait for: a mutex and a condition.
package final class Monitor<Value>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var value: Value

    package init(_ value: Value) {
        self.value = value
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // Setting the system time must not change the length of a wait.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Calls `body` with the value while no other thread can access it. Then it wakes all threads that wait; with
    /// `forOne`, one of them.
    package func change<Result>(forOne: Bool = false, _ body: (inout Value) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer {
            _ = forOne ? pthread_cond_signal(condition) : pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
        return body(&value)
    }

    /// Calls `body` with the value while no other thread can access it, and repeats that until it returns something.
    /// Between the calls it waits for a change, but at most for the milliseconds that `pause` returns (nil: without a
    /// limit).
    package func wait<Result>(
        for body: (inout Value) -> Result?, pause: (Value) -> UInt64? = { _ in nil }
    ) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let result = body(&value) { return result }
            guard let milliseconds = pause(value) else {
                pthread_cond_wait(condition, mutex)
                continue
            }
            var until = timespec()
            clock_gettime(CLOCK_MONOTONIC, &until)
            let nanoseconds = UInt64(until.tv_nsec) + milliseconds % 1000 * 1_000_000
            until.tv_sec += Int(clamping: milliseconds / 1000 + nanoseconds / 1_000_000_000)
            until.tv_nsec = Int(nanoseconds % 1_000_000_000)
            pthread_cond_timedwait(condition, mutex, &until)
        }
    }
}
