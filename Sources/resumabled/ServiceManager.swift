import Glibc

/// Reports the program's state to systemd (sd_notify(3)).
///
/// The protocol is one text datagram to the socket in `NOTIFY_SOCKET`, and systemd promises to keep it. These few lines
/// replace libsystemd, which would bring compression and cryptography into a program that handles untrusted bytes. Does
/// nothing without the variable.
struct ServiceManager: Sendable {
    private let socket: String?
    /// After how many seconds without `alive` systemd restarts the program; nil if it does not watch.
    let watchdogSeconds: Int?

    /// Reads the variables and removes them from the environment, so that programs that this process starts do not see
    /// them.
    static func current() -> ServiceManager {
        func take(_ name: String) -> String? {
            defer { unsetenv(name) }
            return getenv(name).map { String(cString: $0) }
        }
        let socket = take("NOTIFY_SOCKET")
        let microseconds = take("WATCHDOG_USEC").flatMap(UInt64.init)
        let watched = take("WATCHDOG_PID").flatMap(Int32.init)
        // The variables may be for another process of an outer service.
        let isOurs = watched == nil || watched == getpid()
        return ServiceManager(
            socket: socket,
            watchdogSeconds: isOurs ? microseconds.map { max(1, Int(clamping: $0 / 1_000_000)) } : nil)
    }

    func ready() { tell("READY=1") }
    func stopping() { tell("STOPPING=1") }
    func alive() { tell("WATCHDOG=1") }

    /// Sends a state. A failure is ignored, because nothing in the program depends on it.
    private func tell(_ state: String) {
        guard let socket, socket.hasPrefix("/") || socket.hasPrefix("@") else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard socket.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        withUnsafeMutableBytes(of: &address.sun_path) {
            $0.copyBytes(from: socket.utf8)
            // The abstract name space of Linux.
            if $0[0] == UInt8(ascii: "@") { $0[0] = 0 }
        }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + socket.utf8.count)
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = Glibc.socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(state.utf8)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
    }
}
