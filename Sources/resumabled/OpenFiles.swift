import Glibc

/// The limit on this process's open files, and the share that the store may keep.
enum OpenFiles {
    /// Raises the limit as far as the system allows an ordinary process. The usual 1,024 is for programs that use
    /// select(2).
    ///
    /// - Returns: the new limit.
    static func raiseLimit() -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(resource, &limit)
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        return Int(clamping: limit.rlim_cur)
    }

    /// Returns how many uploads may stay open between requests, so that threads at work always find a descriptor.
    static func uploads(limit: Int, threads: Int) -> Int {
        min(256, max(1, (limit - atWork(threads)) / 2))
    }

    /// Returns the lowest limit with which all threads can work.
    static func needed(threads: Int) -> Int {
        atWork(threads) + 2
    }

    /// Each thread has at most an epoll, a file for request heads, a connection, a data file, a journal and a folder.
    private static func atWork(_ threads: Int) -> Int {
        6 * threads + 16
    }
}
