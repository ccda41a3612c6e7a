import CLinux
import Glibc

/// A file in memory from which libfcgi reads request heads, as if it were a connection. A thread has one for all its requests:
/// so a request needs no descriptor but its connection's, and the process may run out of others.
struct RequestHeadFile: ~Copyable {
    /// -1 while there is none.
    private var number: Int32
    private var length = 0

    init() { number = linux_memory_file("requesthead") }

    deinit { if number >= 0 { close(number) } }

    /// Takes bytes in the place of those before.
    ///
    /// - Returns: a descriptor that stands at the first of them, and stays this file's; -1, with errno set, if there is
    ///   none.
    mutating func hold(_ bytes: [UInt8]) -> Int32 {
        if number < 0 { number = linux_memory_file("requesthead") }
        guard number >= 0, lseek(number, 0, SEEK_SET) == 0, write(number, bytes, bytes.count) == bytes.count,
            bytes.count >= length || ftruncate(number, bytes.count) == 0, lseek(number, 0, SEEK_SET) == 0
        else { return -1 }
        length = bytes.count
        return number
    }

    /// Says that somebody else has closed it: the next request gets another one.
    mutating func forget() {
        number = -1
        length = 0
    }
}
