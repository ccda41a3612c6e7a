import CLinux
import Glibc
import Linux

/// Runs a program until it ends or its time is up.
///
/// The program gets three descriptors and none of this process's, the default signal dispositions, and a process group
/// of its own, so that its children are ended with it.
enum ChildProcess {
    /// How many bytes of its output are kept.
    static let outputLimit = 4096
    /// The time between SIGTERM and SIGKILL.
    private static let graceMilliseconds = 2000

    struct Result: Sendable {
        var end: End
        /// The beginning of its output, on standard output and standard error.
        var output: String
    }

    enum End: Sendable, Equatable {
        case exited(Int32)
        case signalled(Int32)
        case tooLong
        case stopped
    }

    /// Why it could not be started.
    struct Failure: Error, CustomStringConvertible {
        let code: Int32

        var description: String { errorText(code) }
    }

    static func run(
        _ path: String, environment: [String], input: [UInt8], seconds: Int, stop: StopFlag
    ) throws(Failure) -> Result {
        // A file in memory and not a pipe: writing it doesn't block if the program never reads.
        let stdin = Descriptor(linux_memory_file("event"))
        guard stdin.number >= 0,
            input.withUnsafeBytes({ write(stdin.number, $0.baseAddress, $0.count) }) == input.count,
            lseek(stdin.number, 0, SEEK_SET) == 0
        else { throw Failure(code: errno) }
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure(code: errno) }
        let reading = Descriptor(ends[0])
        let process: pid_t
        do {
            let writing = Descriptor(ends[1])
            _ = fcntl(reading.number, F_SETFD, FD_CLOEXEC)
            _ = fcntl(writing.number, F_SETFD, FD_CLOEXEC)
            _ = fcntl(reading.number, F_SETFL, O_NONBLOCK)
            process = try spawn(path, environment, stdin: stdin.number, output: writing.number)
        }
        var output: [UInt8] = []
        let end = wait(for: process, output: reading.number, seconds: seconds, stop, &output)
        return Result(end: end, output: String(decoding: output.prefix(outputLimit), as: UTF8.self))
    }

    private static func spawn(
        _ path: String, _ environment: [String], stdin: Int32, output: Int32
    ) throws(Failure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, stdin, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
        // Libraries may have opened descriptors without close-on-exec.
        linux_spawn_close_from(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))
        var process: pid_t = 0
        let code = withCStrings([path]) { arguments in
            withCStrings(environment) { posix_spawn(&process, path, &actions, &attributes, arguments, $0) }
        }
        guard code == 0 else { throw Failure(code: code) }
        return process
    }

    /// Waits for the end of the process, collects its output, and ends it when its time is up.
    private static func wait(
        for process: pid_t, output descriptor: Int32, seconds: Int, _ stop: StopFlag, _ output: inout [UInt8]
    ) -> End {
        let began = ContinuousClock.now
        var cut: (end: End, at: ContinuousClock.Instant)?
        var isKilled = false
        while true {
            // Waits for output, but only for a moment: the end of a process without output is not signalled.
            var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let isOver = poll(&wanted, 1, 20) > 0 && !drain(descriptor, &output)
            var status: Int32 = 0
            let ended = waitpid(process, &status, WNOHANG)
            if ended == process || ended < 0 && errno == ECHILD {
                _ = drain(descriptor, &output)
                if let cut { return cut.end }
                return status & 0x7f == 0 ? .exited(status >> 8 & 0xff) : .signalled(status & 0x7f)
            }
            let now = ContinuousClock.now
            if let cut {
                if !isKilled && cut.at.duration(to: now) > .milliseconds(graceMilliseconds) {
                    kill(-process, SIGKILL)
                    isKilled = true
                }
            } else if stop.isSet || began.duration(to: now) > .seconds(seconds) {
                kill(-process, SIGTERM)
                cut = (stop.isSet ? .stopped : .tooLong, now)
            }
            // The program has closed its output and still runs, so poll would return at once.
            if isOver { usleep(20_000) }
        }
    }

    /// Reads the available output.
    ///
    /// - Returns: false once no process can write to it any more.
    private static func drain(_ descriptor: Int32, _ output: inout [UInt8]) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        // Bounded, so that the time limit is checked even if a program prints without end.
        for _ in 0..<64 {
            let count = read(descriptor, &buffer, buffer.count)
            if count == 0 { return false }
            if count < 0 { return true }
            if output.count < outputLimit { output += buffer[..<count] }
        }
        return true
    }
}

/// Calls `body` with a list of C strings that ends with a null pointer.
private func withCStrings<Result>(
    _ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) }
    defer { for pointer in pointers { free(pointer) } }
    pointers.append(nil)
    return body(pointers)
}
