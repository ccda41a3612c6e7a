import CLinux
import Glibc

/// A POSIX thread, for work that blocks.
package struct Thread: Sendable {
    private let id: pthread_t

    private final class Work: Sendable {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a thread. It inherits the caller's signal mask, and must be joined.
    package init(_ run: @escaping @Sendable () -> Void) throws(ThreadError) {
        var id = pthread_t()
        let work = Unmanaged.passRetained(Work(run))
        let code = pthread_create(
            &id, nil,
            { pointer in
                guard let pointer else { return nil }
                Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue().run()
                return nil
            }, work.toOpaque())
        guard code == 0 else {
            work.release()
            throw ThreadError(code: code)
        }
        self.id = id
    }

    /// Waits for the end of the thread until `deadline` (Unix seconds).
    ///
    /// - Returns: false if it has not ended by then; otherwise it is joined.
    package func join(until deadline: Int) -> Bool { linux_join_until(id, deadline) == 0 }

    /// Waits for the end of the thread. To be called once.
    package func join() { pthread_join(id, nil) }
}

/// Why a thread could not be started.
package struct ThreadError: Error {
    /// An `errno` code.
    package let code: Int32
}
