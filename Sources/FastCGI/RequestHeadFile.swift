import CLinux
import Glibc

/// A file in memory from which libfcgi reads request heads, as if it were a connection. Each thread has one for all of
/// its requests. So a request needs no descriptor but its connection's, even if the process has run out of descriptors.
struct RequestHeadFile: ~Copyable {
    /// The descriptor; -1 while there is none.
    private var number: Int32
    /// Where the next head goes, which is the descriptor's offset: behind the one before, which libfcgi has read. So
    /// most heads need no seek to be written.
    private var end = 0
    /// At this length in bytes, the file is emptied.
    private static let maximumLength = 64 << 10

    init() { number = linux_memory_file("requesthead") }

    deinit { if number >= 0 { close(number) } }

    /// Writes a request head to the end of the file.
    ///
    /// - Returns: a descriptor at the offset of the head, which this file keeps owning; -1, with errno set, if there is
    ///   none.
    mutating func write(_ bytes: [UInt8]) -> Int32 {
        if number < 0 { number = linux_memory_file("requesthead") }
        guard number >= 0 else { return -1 }
        if end >= RequestHeadFile.maximumLength {
            guard ftruncate(number, 0) == 0, lseek(number, 0, SEEK_SET) == 0 else { return -1 }
            end = 0
        }
        guard Glibc.write(number, bytes, bytes.count) == bytes.count, lseek(number, end, SEEK_SET) == end else {
            // The next head starts anew.
            end = RequestHeadFile.maximumLength
            return -1
        }
        end += bytes.count
        return number
    }

    /// To be called when libfcgi has closed the descriptor: the next request gets a new file.
    mutating func forget() {
        number = -1
        end = 0
    }
}
