import CLinux
import Glibc
import Linux

/// A file of the real file system.
final class LinuxFile: File {
    private let descriptor: Descriptor
    private let name: String

    init(_ descriptor: consuming Descriptor, name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count = try attempt("read", name) {
                pread(descriptor.number, rest.baseAddress, rest.count, Int(offset) + done)
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            done += try attempt("write", name) {
                pwrite(descriptor.number, rest.baseAddress, rest.count, Int(offset) + done)
            }
        }
    }

    func status() throws(FileError) -> FileStatus {
        var status = stat()
        try attempt("look at", name) { fstat(descriptor.number, &status) }
        return FileStatus(status)
    }

    func truncate(to size: UInt64) throws(FileError) {
        try attempt("truncate", name) { ftruncate(descriptor.number, Int(size)) }
    }

    func reserve(_ size: UInt64) throws(FileError) -> Bool {
        guard size > 0 else { return true }
        do {
            // Not posix_fallocate(3): it writes zeros if the file system has no fallocate(2).
            try attempt("reserve the space of", name) { linux_reserve(descriptor.number, Int64(size)) }
            return true
        } catch {
            if error.code == EOPNOTSUPP || error.code == ENOSYS { return false }
            throw error
        }
    }

    func copy(
        from source: any File, at sourceOffset: UInt64, length: UInt64, to offset: UInt64
    ) throws(FileError) -> UInt64 {
        guard let source = source as? LinuxFile else { throw FileError(operation: "copy", name: name, code: EXDEV) }
        var done: UInt64 = 0
        while done < length {
            do {
                let count = try attempt("copy to", name) {
                    linux_copy(
                        source.descriptor.number, Int64(sourceOffset + done), descriptor.number,
                        Int64(offset + done), Int(min(length - done, 1 << 30)))
                }
                if count == 0 { break }
                done += UInt64(count)
            } catch {
                guard [EXDEV, EINVAL, ENOSYS, EOPNOTSUPP].contains(error.code) else { throw error }
                return try done
                    + copyThroughMemory(
                        from: source, at: sourceOffset + done, length: length - done, to: offset + done)
            }
        }
        return done
    }

    /// For file systems and kernels without copy_file_range(2).
    private func copyThroughMemory(
        from source: LinuxFile, at sourceOffset: UInt64, length: UInt64, to offset: UInt64
    ) throws(FileError) -> UInt64 {
        try withCopyBuffer { buffer throws(FileError) in
            var done: UInt64 = 0
            while done < length {
                let wanted = Int(min(UInt64(buffer.count), length - done))
                let count = try source.read(
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: sourceOffset + done)
                if count == 0 { break }
                try write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: offset + done)
                done += UInt64(count)
            }
            return done
        }
    }

    func startWriteBack() {
        linux_start_write_back(descriptor.number)
    }

    func touch(_ time: UInt64) throws(FileError) {
        let times = [timespec(tv_sec: Int(time), tv_nsec: 0), timespec(tv_sec: Int(time), tv_nsec: 0)]
        try attempt("touch", name) { futimens(descriptor.number, times) }
    }

    func sync() throws(FileError) {
        try attempt("sync", name) { fdatasync(descriptor.number) }
    }

    func attribute() throws(FileError) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: LinuxFile.maximumAttribute)
        do {
            let count = try bytes.withMutableBytes { buffer throws(FileError) in
                try attempt("read the attribute of", name) {
                    linux_get_attribute(descriptor.number, buffer.baseAddress, buffer.count)
                }
            }
            bytes.removeLast(bytes.count - count)
            return bytes
        } catch {
            // ERANGE: it is longer than any that the store writes.
            if [ENODATA, ENOTSUP, EPERM, EACCES, ENOSYS, ERANGE].contains(error.code) { return nil }
            throw error
        }
    }

    /// The longest attribute in bytes: the limit of ext4 with blocks of the usual size.
    private static let maximumAttribute = 4096

    func setAttribute(_ bytes: [UInt8]) throws(FileError) -> Bool {
        do {
            try attempt("set the attribute of", name) { linux_set_attribute(descriptor.number, bytes, bytes.count) }
            return true
        } catch {
            // ENOSPC: ext4 says so if an attribute is too long for it.
            if [ENOTSUP, ENOSYS, EPERM, E2BIG, ERANGE, ENOSPC, EDQUOT].contains(error.code) { return false }
            throw error
        }
    }

    func removeAttribute() throws(FileError) {
        try attempt("remove the attribute of", name) { linux_remove_attribute(descriptor.number) }
    }

    func syncWithAttribute() throws(FileError) {
        try attempt("sync", name) { fsync(descriptor.number) }
    }

    func lock(offset: UInt64, length: UInt64, wait: Bool) throws(FileError) -> Bool {
        do {
            try attempt("lock", name) { linux_lock(descriptor.number, Int64(offset), Int64(length), wait) }
            return true
        } catch {
            if !wait && (error.code == EAGAIN || error.code == EACCES) { return false }
            throw error
        }
    }

    func unlock(offset: UInt64, length: UInt64) {
        _ = linux_unlock(descriptor.number, Int64(offset), Int64(length))
    }
}
