import CLinux
import Glibc
import Linux

/// The socket that the web server connects to.
///
/// A socket that this process makes in the file system has mode 0660, replaces one that no process listens on any more,
/// and is removed with the listener. A socket that was inherited (from systemd or a supervisor) is left as it is.
package struct Listener: ~Copyable, Sendable {
    let descriptor: Descriptor
    private let ownPath: OwnPath?

    /// A path that this process bound. Device and inode tell its socket from one that another process put there later.
    private struct OwnPath: Sendable {
        var path: String
        var device: UInt64
        var inode: UInt64
    }

    /// How many connections may wait to be accepted; the kernel caps it at net.core.somaxconn.
    private static let backlog: Int32 = 4096

    /// Listens at a path.
    ///
    /// - Throws: `ListenError`, also if another process listens there.
    package init(path: String) throws(ListenError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard !path.isEmpty, path.utf8.count < capacity else { throw .pathLength(path, limit: capacity - 1) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }

        // Two processes that start at once must not both find the path unused, so the folder is locked until the bind.
        let folder = try Listener.lockedFolder(of: path)
        defer { _ = flock(folder.number, LOCK_UN) }

        let descriptor = try Listener.makeSocket(AF_UNIX, named: path)
        try Listener.clear(path, for: address)
        guard Listener.bind(descriptor, to: &address) else { throw .failed("bind", path, errno) }
        var status = stat()
        // No connection is accepted before listen, so the mode is set in time.
        guard chmod(path, 0o660) == 0, lstat(path, &status) == 0, listen(descriptor.number, Listener.backlog) == 0
        else {
            throw .failed("listen on", path, errno)
        }
        self.descriptor = descriptor
        ownPath = OwnPath(path: path, device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    /// Listens at a numeric address of this machine.
    ///
    /// - Parameters:
    ///   - host: an IPv4 or IPv6 address, the latter without brackets.
    /// - Throws: `ListenError`.
    package init(host: String, port: UInt16) throws(ListenError) {
        let name = "\(host):\(port)"
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, "\(port)", &hints, &list) == 0, let list else { throw .notAnAddress(name) }
        defer { freeaddrinfo(list) }
        let descriptor = try Listener.makeSocket(list.pointee.ai_family, named: name)
        var on: Int32 = 1
        setsockopt(descriptor.number, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        guard Glibc.bind(descriptor.number, list.pointee.ai_addr, list.pointee.ai_addrlen) == 0,
            listen(descriptor.number, Listener.backlog) == 0
        else { throw .failed("listen on", name, errno) }
        self.descriptor = descriptor
        ownPath = nil
    }

    /// The listening socket that this process was started with: the first one of systemd (sd_listen_fds(3)), else
    /// descriptor 0, as FastCGI's process managers pass it (FastCGI 1.0, section 2.2). Nil if there is none.
    package static func inherited() -> Listener? {
        if let process = getenv("LISTEN_PID"), let count = getenv("LISTEN_FDS"),
            Int32(String(cString: process)) == getpid(), Int32(String(cString: count)) ?? 0 >= 1
        {
            return Listener(adopting: 3)
        }
        return Listener(adopting: 0)
    }

    private init?(adopting number: Int32) {
        var listening: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0, listening != 0 else {
            return nil
        }
        descriptor = Descriptor(number)
        ownPath = nil
        let flags = fcntl(number, F_GETFL)
        _ = fcntl(number, F_SETFL, flags | O_NONBLOCK)
        _ = fcntl(number, F_SETFD, FD_CLOEXEC)
    }

    deinit {
        guard let ownPath, let folder = try? Listener.lockedFolder(of: ownPath.path) else { return }
        var status = stat()
        if lstat(ownPath.path, &status) == 0, UInt64(status.st_dev) == ownPath.device,
            UInt64(status.st_ino) == ownPath.inode
        {
            unlink(ownPath.path)
        }
        _ = flock(folder.number, LOCK_UN)
    }

    /// Non-blocking: if one connection wakes several threads, those that come too late go back to waiting.
    private static func makeSocket(_ family: Int32, named name: String) throws(ListenError) -> Descriptor {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let number = socket(family, type, 0)
        guard number >= 0 else { throw .failed("make a socket for", name, errno) }
        return Descriptor(number)
    }

    /// Removes a socket that no process listens on.
    private static func clear(_ path: String, for address: sockaddr_un) throws(ListenError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path) }
        let probe = try makeSocket(AF_UNIX, named: path)
        var address = address
        // EAGAIN means that a process listens whose backlog is full.
        if connect(probe, to: &address) || errno != ECONNREFUSED { throw .inUse(path) }
        guard unlink(path) == 0 || errno == ENOENT else { throw .failed("remove", path, errno) }
    }

    private static func lockedFolder(of path: String) throws(ListenError) -> Descriptor {
        let slash = path.lastIndex(of: "/")
        let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let number = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw .failed("open the folder of", path, errno) }
        let descriptor = Descriptor(number)
        while flock(descriptor.number, LOCK_EX) != 0 {
            guard errno == EINTR else { throw .failed("lock the folder of", path, errno) }
        }
        return descriptor
    }

    private static func bind(_ socket: borrowing Descriptor, to address: inout sockaddr_un) -> Bool {
        let number = socket.number
        return withAddress(&address) { Glibc.bind(number, $0, $1) == 0 }
    }

    private static func connect(_ socket: borrowing Descriptor, to address: inout sockaddr_un) -> Bool {
        let number = socket.number
        return withAddress(&address) { Glibc.connect(number, $0, $1) == 0 }
    }

    private static func withAddress(
        _ address: inout sockaddr_un, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Bool
    ) -> Bool {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                call($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}

/// Why there is no socket to listen on.
package enum ListenError: Error, CustomStringConvertible {
    case pathLength(String, limit: Int)
    case notAnAddress(String)
    case notASocket(String)
    case inUse(String)
    case failed(_ operation: String, _ name: String, _ code: Int32)

    package var description: String {
        switch self {
        case .pathLength(let path, let limit): "the socket's path must have 1 to \(limit) bytes: \(path)"
        case .notAnAddress(let name): "not a numeric address: \(name)"
        case .notASocket(let path): "\(path) exists and is not a socket"
        case .inUse(let path): "another process listens on \(path)"
        case .failed(let operation, let name, let code): "cannot \(operation) \(name): \(errorText(code))"
        }
    }
}
