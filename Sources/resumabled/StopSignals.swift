import Glibc

/// SIGTERM and SIGINT, blocked in all threads and waited for in one.
struct StopSignals {
    private var set = sigset_t()

    /// To be made before any thread is started.
    init() {
        sigemptyset(&set)
        sigaddset(&set, SIGTERM)
        sigaddset(&set, SIGINT)
        pthread_sigmask(SIG_BLOCK, &set, nil)
        // A file beyond the process's limit is an error of one write, not the end of the program.
        signal(SIGXFSZ, SIG_IGN)
    }

    /// Waits for one of them, and gives its number; nil if none comes in so many seconds.
    func wait(seconds: Int) -> Int32? {
        var set = set
        var timeout = timespec(tv_sec: seconds, tv_nsec: 0)
        let signal = sigtimedwait(&set, nil, &timeout)
        return signal > 0 ? signal : nil
    }
}
