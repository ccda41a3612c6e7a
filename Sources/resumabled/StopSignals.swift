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
    }

    /// Waits for one of them, and gives its number.
    func wait() -> Int32 {
        var set = set
        var signal: Int32 = 0
        while sigwait(&set, &signal) != 0 {}
        return signal
    }
}
