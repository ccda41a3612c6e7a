import Glibc

// The errno(3) codes that the store treats specially.

extension FileError {
    /// EFBIG, for the store's own limits.
    static let tooBig = EFBIG

    /// True if there was no space: on the disk, in the quota, or under the process's file size limit.
    var isFull: Bool { code == ENOSPC || code == EDQUOT || code == EFBIG }

    /// True if another program's entry has the name of a finished file, or has made the file unreadable.
    var isOfAnotherProgram: Bool { isNotAFolder || [EACCES, EPERM, ENXIO, ENODEV, EISDIR].contains(code) }

    /// True if the name of a folder belongs to something else, or to a symbolic link.
    var isNotAFolder: Bool { code == ENOTDIR || code == ELOOP }
}

extension Directory {
    /// Opens a file to look at it, for an operator's tools: for reading alone on a read-only file system, or as another
    /// user. Never for the server, which would keep a file that it cannot lock.
    func openToInspect(_ name: String) throws(FileError) -> (any File)? {
        do { return try open(name) } catch {
            guard error.code == EROFS || error.code == EACCES || error.code == EPERM else { throw error }
            return try openForReading(name)
        }
    }
}
