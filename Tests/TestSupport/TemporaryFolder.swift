import Glibc

/// A temporary folder, which is removed with this value.
package final class TemporaryFolder: Sendable {
    package let path: String

    package init() throws {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(base)/resumabled-XXXXXX".utf8CString)
        try check(mkdtemp(&template) != nil, "make a folder in", base)
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        // A listener in another test may have changed the process's umask for a moment.
        chmod(path, 0o700)
    }

    deinit { TemporaryFolder.remove(path) }

    private static func remove(_ path: String) {
        // Not a folder, or a link to one: only the name is removed.
        if unlink(path) == 0 { return }
        for name in list(path) { remove(path + "/" + name) }
        rmdir(path)
    }

    private static func list(_ path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The names in a folder, sorted.
    package func names(in folder: String = "") -> [String] {
        TemporaryFolder.list(path + "/" + folder)
    }

    package func read(_ name: String) throws -> [UInt8] {
        guard let stream = fopen(path + "/" + name, "r") else { throw FolderError("read", name) }
        defer { fclose(stream) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = fread(&buffer, 1, buffer.count, stream)
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
    }

    package func write(_ bytes: [UInt8], to name: String) throws {
        guard let stream = fopen(path + "/" + name, "w") else { throw FolderError("write", name) }
        let count = fwrite(bytes, 1, bytes.count, stream)
        try check(fclose(stream) == 0 && count == bytes.count, "write", name)
    }

    package func makeFolder(_ name: String) throws {
        try check(mkdir(path + "/" + name, 0o777) == 0, "make", name)
    }

    package func link(_ name: String, to target: String) throws {
        try check(symlink(target, path + "/" + name) == 0, "link", name)
    }

    package func remove(_ name: String) throws {
        try check(unlink(path + "/" + name) == 0, "remove", name)
    }

    package func move(_ name: String, to newName: String) throws {
        try check(rename(path + "/" + name, path + "/" + newName) == 0, "move", name)
    }

    package func inode(_ name: String) throws -> UInt64 {
        var status = stat()
        try check(lstat(path + "/" + name, &status) == 0, "look at", name)
        return UInt64(status.st_ino)
    }
}

/// A failed file operation of a test.
package struct FolderError: Error, CustomStringConvertible {
    package let description: String

    init(_ operation: String, _ name: String) {
        description = "cannot \(operation) \(name): \(String(cString: strerror(errno)))"
    }
}

private func check(_ condition: Bool, _ operation: String, _ name: String) throws {
    if !condition { throw FolderError(operation, name) }
}
