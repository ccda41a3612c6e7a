import Glibc
import Metrics

/// The metrics that Prometheus' client libraries export of every process ("Writing client libraries", "Process
/// metrics").
enum ProcessMetrics {
    static let families: [Family] = [
        .counter("process_cpu_seconds_total", "Processor time used, in user and system mode.") {
            var usage = rusage()
            guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return nil }
            return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
        },
        .gauge("process_resident_memory_bytes", "Resident memory.") { pages(1) },
        .gauge("process_virtual_memory_bytes", "Virtual memory.") { pages(0) },
        .gauge("process_open_fds", "Open file descriptors.") { countDescriptors() },
        .gauge("process_max_fds", "The limit on open file descriptors.") {
            var limit = rlimit()
            guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
            return Double(limit.rlim_cur)
        },
        .gauge("process_start_time_seconds", "When the program started, in Unix seconds.") { started },
    ]

    /// Computed at the first access, which is the first thing that `serve` does.
    static let started: Double = {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Double(now.tv_sec) + Double(now.tv_nsec / 1_000_000) / 1e3
    }()

    /// Returns a field of /proc/self/statm (proc(5)), in bytes.
    private static func pages(_ field: Int) -> Double? {
        guard let file = fopen("/proc/self/statm", "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = fread(&bytes, 1, bytes.count, file)
        let fields = String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ")
        guard fields.indices.contains(field), let pages = UInt64(fields[field]) else { return nil }
        return Double(pages) * Double(sysconf(Int32(_SC_PAGESIZE)))
    }

    private static func countDescriptors() -> Double? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // Without `.`, `..` and the descriptor of this listing.
        return Double(count - 3)
    }
}
