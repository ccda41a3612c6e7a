import Glibc

extension FileError {
    /// EFBIG, for a limit of our own.
    static let tooBig = EFBIG

    /// True if there was no room: on the disk, in the quota, or under the limit of the process.
    var isFull: Bool { code == ENOSPC || code == EDQUOT || code == EFBIG }
}
