import Glibc

// What the codes of errno(3) mean for a store.

extension FileError {
    /// EFBIG, for a limit of our own.
    static let tooBig = EFBIG

    /// True if there was no room: on the disk, in the quota, or under the limit of the process.
    var isFull: Bool { code == ENOSPC || code == EDQUOT || code == EFBIG }

    /// True if something that is not a folder, or a symbolic link, stands where a folder was wanted.
    var isNotAFolder: Bool { code == ENOTDIR || code == ELOOP }
}
