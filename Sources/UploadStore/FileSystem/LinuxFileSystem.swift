import CLinux
import Glibc
import Linux
import Synchronization

/// Makes a system call, again if a signal interrupts it. Throws `errno` if the result is negative.
@discardableResult
func attempt<Result: SignedInteger>(
    _ operation: String, _ name: String, _ call: () -> Result
) throws(FileError) -> Result {
    while true {
        let result = call()
        if result >= 0 { return result }
        let code = errno
        if code != EINTR { throw FileError(operation: operation, name: name, code: code) }
    }
}

/// A folder of the real file system. All calls are relative to its descriptor, so no name and no symbolic link leads
/// out of it.
package final class LinuxDirectory: Directory {
    let descriptor: Descriptor
    private let name: String
    /// The folder's inode, once `isCurrent` has asked for it; 0 before.
    private let inode = Atomic<UInt64>(0)
    /// The device that `inode` is on.
    private let deviceOfInode = Atomic<UInt64>(0)

    private init(_ descriptor: consuming Descriptor, name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    /// Opens the store's root; creates it, and its parents, if there is none. Symbolic links in the path are followed:
    /// it is the operator's.
    package static func root(_ path: String) throws(FileError) -> LinuxDirectory {
        var position = path.startIndex
        while position < path.endIndex {
            position = path[path.index(after: position)...].firstIndex(of: "/") ?? path.endIndex
            let parent = String(path[..<position])
            if mkdir(parent, 0o777) < 0 && errno != EEXIST && errno != EISDIR {
                throw FileError(operation: "create", name: parent, code: errno)
            }
        }
        return try existing(path)
    }

    /// Opens an existing folder.
    package static func existing(_ path: String) throws(FileError) -> LinuxDirectory {
        let number = try attempt("open", path) { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        return LinuxDirectory(Descriptor(number), name: path)
    }

    package func open(_ name: String) throws(FileError) -> (any File)? {
        try openFile(name, O_RDWR)
    }

    package func openForReading(_ name: String) throws(FileError) -> (any File)? {
        try openFile(name, O_RDONLY)
    }

    package func create(_ name: String) throws(FileError) -> any File {
        if let file = try openFile(name, O_RDWR | O_CREAT) { return file }
        throw FileError(operation: "create", name: name, code: ENOENT)
    }

    package func createForAppending(_ name: String) throws(FileError) -> any File {
        // pwrite(2) on Linux: with O_APPEND, the offset is ignored.
        if let file = try openFile(name, O_RDWR | O_CREAT | O_APPEND) { return file }
        throw FileError(operation: "create", name: name, code: ENOENT)
    }

    private func openFile(_ name: String, _ flags: Int32) throws(FileError) -> LinuxFile? {
        do {
            // O_NONBLOCK: opening a FIFO must not hang. It has no effect on regular files.
            let number = try attempt("open", name) {
                openat(descriptor.number, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o666)
            }
            return LinuxFile(Descriptor(number), name: name)
        } catch {
            if error.code == ENOENT { return nil }
            throw error
        }
    }

    package func createNameless() throws(FileError) -> any File {
        if let number = try? attempt("create", "a nameless file", { linux_open_nameless(descriptor.number) }) {
            return LinuxFile(Descriptor(number), name: "a nameless file")
        }
        // Some file systems (NFS) can't: create a file with a name and remove the name.
        let name = "spool.\(UInt64.random(in: 0 ... .max))"
        let number = try attempt("create", name) {
            openat(descriptor.number, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        }
        let file = LinuxFile(Descriptor(number), name: name)
        try remove(name)
        return file
    }

    package func status(_ name: String) throws(FileError) -> FileStatus? {
        var status = stat()
        do {
            try attempt("look at", name) { fstatat(descriptor.number, name, &status, AT_SYMLINK_NOFOLLOW) }
        } catch {
            if error.code == ENOENT { return nil }
            throw error
        }
        return FileStatus(status)
    }

    package func rename(
        _ name: String, to directory: any Directory, as newName: String, replacing: Bool
    ) throws(FileError) -> Bool {
        guard let directory = directory as? LinuxDirectory else {
            throw FileError(operation: "rename", name: name, code: EXDEV)
        }
        if replacing {
            try attempt("rename", name) { renameat(descriptor.number, name, directory.descriptor.number, newName) }
            return true
        }
        do {
            try attempt("rename", name) {
                linux_rename_no_replace(descriptor.number, name, directory.descriptor.number, newName)
            }
            return true
        } catch {
            switch error.code {
            case EEXIST: return false
            case EINVAL, ENOSYS: return try linkAndRemove(name, to: directory, as: newName)
            default: throw error
            }
        }
    }

    /// The fallback for file systems without RENAME_NOREPLACE: link(2) doesn't replace either. For a moment the file
    /// has both names.
    private func linkAndRemove(
        _ name: String, to directory: LinuxDirectory, as newName: String
    ) throws(FileError) -> Bool {
        do {
            try attempt("link", name) {
                linkat(descriptor.number, name, directory.descriptor.number, newName, 0)
            }
        } catch {
            if error.code == EEXIST { return false }
            throw error
        }
        try remove(name)
        return true
    }

    package func remove(_ name: String) throws(FileError) {
        do {
            try attempt("remove", name) { unlinkat(descriptor.number, name, 0) }
        } catch {
            if error.code != ENOENT { throw error }
        }
    }

    package func removeFolder(_ name: String) throws(FileError) {
        do {
            try attempt("remove", name) { unlinkat(descriptor.number, name, AT_REMOVEDIR) }
        } catch {
            if error.code != ENOENT && error.code != ENOTEMPTY && error.code != EEXIST { throw error }
        }
    }

    package func names() throws(FileError) -> [String] {
        let copy = try attempt("list", name) { openat(descriptor.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard let stream = fdopendir(copy) else {
            close(copy)
            throw FileError(operation: "list", name: name, code: errno)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    package func folder(_ name: String) throws(FileError) -> any Directory {
        let failure = mkdirat(descriptor.number, name, 0o777) < 0 ? errno : EEXIST
        if failure != EEXIST && failure != EROFS && failure != EACCES {
            throw FileError(operation: "create", name: name, code: failure)
        }
        if let folder = try existingFolder(name) { return folder }
        throw FileError(operation: "create", name: name, code: failure)
    }

    package func existingFolder(_ name: String) throws(FileError) -> (any Directory)? {
        do {
            let number = try attempt("open", name) {
                openat(descriptor.number, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
            }
            return LinuxDirectory(Descriptor(number), name: name)
        } catch {
            if error.code == ENOENT { return nil }
            throw error
        }
    }

    package func isCurrent(in parent: (any Directory)?) throws(FileError) -> Bool {
        let parent = parent as? LinuxDirectory
        var found = stat()
        do {
            try attempt("look at", name) {
                fstatat(parent?.descriptor.number ?? AT_FDCWD, name, &found, parent == nil ? 0 : AT_SYMLINK_NOFOLLOW)
            }
        } catch {
            if error.code == ENOENT || error.isNotAFolder { return false }
            throw error
        }
        // The number of a removed folder is not used again while the folder is open.
        if inode.load(ordering: .acquiring) == 0 {
            var own = stat()
            try attempt("look at", name) { fstat(descriptor.number, &own) }
            deviceOfInode.store(UInt64(own.st_dev), ordering: .relaxed)
            inode.store(UInt64(own.st_ino), ordering: .releasing)
        }
        return deviceOfInode.load(ordering: .relaxed) == UInt64(found.st_dev)
            && inode.load(ordering: .acquiring) == UInt64(found.st_ino)
    }

    package func space() throws(FileError) -> Space {
        var status = statvfs()
        try attempt("ask for the free space of", name) { fstatvfs(descriptor.number, &status) }
        let block = UInt64(status.f_frsize)
        return Space(free: UInt64(status.f_bavail) * block, total: UInt64(status.f_blocks) * block)
    }

    package func sync() throws(FileError) {
        try attempt("sync", name) { fsync(descriptor.number) }
    }

    /// The number of the device that the folder is on.
    package func device() throws(FileError) -> UInt64 {
        var status = stat()
        try attempt("look at", name) { fstat(descriptor.number, &status) }
        return UInt64(status.st_dev)
    }
}

extension FileStatus {
    init(_ status: stat) {
        self.init(
            size: UInt64(status.st_size), inode: UInt64(status.st_ino), names: UInt64(status.st_nlink),
            modified: UInt64(max(0, status.st_mtim.tv_sec)), isRegular: status.st_mode & S_IFMT == S_IFREG)
    }
}
