import Glibc

/// The signals that would end the program, blocked in all threads and waited for in one.
///
/// SIGTERM, SIGINT and SIGHUP stop the server in order; SIGHUP only if the parent process didn't ignore it, as nohup(1)
/// does. The others are not meant for this program: they are logged and otherwise ignored.
struct StopSignals {
    enum Arrival: Equatable {
        case stop(Int32)
        case ignored(Int32)
    }

    private static let others =
        [SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT]
        + Array(__libc_current_sigrtmin()...__libc_current_sigrtmax())
    private var set = sigset_t()

    /// Blocks the signals. Must be called before any thread is started.
    init() {
        sigemptyset(&set)
        for signal in [SIGTERM, SIGINT] + StopSignals.others { sigaddset(&set, signal) }
        var hangUp = sigaction()
        // A blocked signal arrives here even if its disposition is to ignore it.
        let isIgnored =
            sigaction(SIGHUP, nil, &hangUp) == 0
            && unsafeBitCast(hangUp.__sigaction_handler.sa_handler, to: Int.self)
                == unsafeBitCast(SIG_IGN, to: Int.self)
        if !isIgnored { sigaddset(&set, SIGHUP) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        // A file that reaches the process's size limit fails one write and must not end the program.
        signal(SIGXFSZ, SIG_IGN)
    }

    /// Waits for one of them; nil if none arrives in so many seconds.
    func wait(seconds: Int) -> Arrival? {
        var set = set
        var timeout = timespec(tv_sec: seconds, tv_nsec: 0)
        let signal = sigtimedwait(&set, nil, &timeout)
        guard signal > 0 else { return nil }
        return StopSignals.others.contains(signal) ? .ignored(signal) : .stop(signal)
    }
}
