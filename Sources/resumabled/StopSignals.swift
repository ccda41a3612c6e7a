import Glibc

/// SIGTERM and SIGINT. All threads block them, and one thread waits for them.
struct StopSignals {
    private var set = sigset_t()

    /// Blocks the signals. Must be called before any thread is started.
    init() {
        sigemptyset(&set)
        sigaddset(&set, SIGTERM)
        sigaddset(&set, SIGINT)
        pthread_sigmask(SIG_BLOCK, &set, nil)
        // A file that reaches the process's size limit fails one write and must not end the program.
        signal(SIGXFSZ, SIG_IGN)
    }

    /// Waits for a signal. Returns its number, or nil if none comes within `seconds`.
    func wait(seconds: Int) -> Int32? {
        var set = set
        var timeout = timespec(tv_sec: seconds, tv_nsec: 0)
        let signal = sigtimedwait(&set, nil, &timeout)
        return signal > 0 ? signal : nil
    }
}
