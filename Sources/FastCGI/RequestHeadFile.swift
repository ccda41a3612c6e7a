import CLinux
import Glibc

/// A file in memory from which libfcgi reads request heads, as if it were a connection. Each thread has one for all of
/// its requests. So a request needs no descriptor but its connection's, even if the process has run out of descriptors.
struct RequestHeadFile: ~Copyable {
    /// The descriptor; -1 while there is none.
    private var number: Int32
    private var length = 0

    init() { number = linux_memory_file("requesthead") }

    deinit { if number >= 0 { close(number) } }

    /// Replaces the file's content.
    ///
    /// - Returns: a descriptor at offset 0, which this file keeps owning; -1, with errno set, if there is none.
    mutating func write(_ bytes: [UInt8]) -> Int32 {
        if number < 0 { number = linux_memory_file("requesthead") }
        guard number >= 0, lseek(number, 0, SEEK_SET) == 0, Glibc.write(number, bytes, bytes.count) == bytes.count,
            bytes.count >= length || ftruncate(number, bytes.count) == 0, lseek(number, 0, SEEK_SET) == 0
        else { return -1 }
        length = bytes.count
        return number
    }

    /// To be called when libfcgi has closed the descriptor: the next request gets a new file.
    mutating func forget() {
        number = -1
        length = 0
    }
}
