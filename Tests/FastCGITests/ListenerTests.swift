import FastCGI
import Glibc
import TestSupport
import Testing

extension FastCGIDoor {
    @Suite("The socket")
    struct ListenerTests {
        /// The kind of file at a path; nil if there is none. A link is not followed.
        private func look(_ path: String) -> stat? {
            var status = stat()
            return lstat(path, &status) == 0 ? status : nil
        }

        /// The error of a try to listen there; nil if it went well (and then the socket is closed again).
        private func failure(at path: String) -> ListenError? {
            do throws(ListenError) {
                _ = try Listener(path: path)
                return nil
            } catch {
                return error
            }
        }

        /// A socket of a process that was killed.
        private func leaveSocket(at path: String) throws {
            let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(number) }
            guard withSocketAddress(path, { bind(number, $0, $1) }) == 0 else { throw Failure("bind: \(errno)") }
        }

        @Test("it can be used by the owner and the group, and goes with the listener")
        func mode() throws {
            let folder = try TemporaryFolder()
            do {
                let listener = try Listener(path: folder.socket)
                let found = try #require(look(folder.socket))
                #expect(found.st_mode & S_IFMT == S_IFSOCK)
                #expect(found.st_mode & 0o7777 == 0o660)
                _ = consume listener
            }
            #expect(look(folder.socket) == nil)
        }

        @Test("a socket that another process listens on is left alone")
        func inUse() throws {
            let folder = try TemporaryFolder()
            let listener = try Listener(path: folder.socket)
            let before = try #require(look(folder.socket))
            let failure = failure(at: folder.socket)
            if case .inUse(folder.socket)? = failure {} else { Issue.record("\(String(describing: failure))") }
            #expect(look(folder.socket)?.st_ino == before.st_ino)
            _ = try Client(folder.socket)
            _ = consume listener
        }

        @Test("a socket that no process listens on is replaced")
        func stale() throws {
            let folder = try TemporaryFolder()
            try leaveSocket(at: folder.socket)
            let listener = try Listener(path: folder.socket)
            _ = try Client(folder.socket)
            _ = consume listener
            #expect(look(folder.socket) == nil)
        }

        @Test("a file that is not a socket is not removed")
        func notASocket() throws {
            let folder = try TemporaryFolder()
            let number = open(folder.socket, O_CREAT | O_WRONLY, 0o600)
            #expect(write(number, "mine", 4) == 4)
            close(number)
            let failure = failure(at: folder.socket)
            if case .notASocket(folder.socket)? = failure {} else { Issue.record("\(String(describing: failure))") }
            #expect(look(folder.socket)?.st_size == 4)
        }

        @Test("a link to a socket is not a socket, and what it leads to is left alone")
        func link() throws {
            let folder = try TemporaryFolder()
            let other = folder.path + "/other"
            try leaveSocket(at: other)
            #expect(symlink(other, folder.socket) == 0)
            let failure = failure(at: folder.socket)
            if case .notASocket? = failure {} else { Issue.record("\(String(describing: failure))") }
            #expect(look(other) != nil)
            #expect(look(folder.socket) != nil)
        }

        @Test("a socket that another process put in our place stays when we go")
        func replaced() throws {
            let folder = try TemporaryFolder()
            let listener = try Listener(path: folder.socket)
            // Under a second name first, so that the two surely differ.
            try leaveSocket(at: folder.path + "/other")
            #expect(rename(folder.path + "/other", folder.socket) == 0)
            _ = consume listener
            #expect(look(folder.socket) != nil)
        }

        @Test("a path that a socket can't have is an error")
        func paths() throws {
            let folder = try TemporaryFolder()
            // unix(7): the path and its closing NUL have 108 bytes.
            let long = folder.path + "/" + String(repeating: "s", count: 108 - folder.path.utf8.count - 1)
            for path in ["", long] {
                let failure = failure(at: path)
                if case .pathLength(path, limit: 107)? = failure {
                } else {
                    Issue.record("\(String(describing: failure))")
                }
            }
            #expect(failure(at: folder.path + "/none/socket") != nil)
            #expect(failure(at: String(long.dropLast())) == nil)
        }

        @Test("an address is a number, not a name")
        func addresses() throws {
            for host in ["localhost", "", "127.0.0.1.5", "[::1]"] {
                do throws(ListenError) {
                    _ = try Listener(host: host, port: 0)
                    if !host.isEmpty { Issue.record("\(host)") }
                } catch {
                    if case .notAnAddress = error {} else { Issue.record("\(error)") }
                }
            }
            _ = try Listener(host: "127.0.0.1", port: 0)
        }
    }
}
