import Linux

/// A folder, with every disk call that the store makes. `LinuxDirectory` is the real one; tests use one in memory that
/// can lose power. Names are single path components.
package protocol Directory: AnyObject, Sendable {
    /// Opens a file; nil if there is none of that name. A symbolic link is never followed. A file that may only be read
    /// is opened for reading: then writing and locking fail.
    func open(_ name: String) throws(FileError) -> (any File)?
    /// Opens a file that is only read, and may be one that this process cannot write; nil if there is none of that
    /// name.
    func openForReading(_ name: String) throws(FileError) -> (any File)?
    /// Opens a file; creates an empty one if there is none.
    func create(_ name: String) throws(FileError) -> any File
    /// Opens a file so that each write goes to its end, whatever its offset; creates an empty one if there is none.
    func createForAppending(_ name: String) throws(FileError) -> any File
    /// A file without a name, which is gone when it is closed.
    func createNameless() throws(FileError) -> any File
    /// The status of the entry with that name; nil if there is none. A symbolic link is not followed.
    func status(_ name: String) throws(FileError) -> FileStatus?
    /// Moves a file to another name and folder, atomically.
    /// - Returns: false if that name is taken and `replacing` is false.
    func rename(
        _ name: String, to directory: any Directory, as newName: String, replacing: Bool
    ) throws(FileError) -> Bool
    /// Removes a file's name. Does nothing if there is no such name.
    func remove(_ name: String) throws(FileError)
    /// Removes a folder. Does nothing if there is none, or if it isn't empty.
    func removeFolder(_ name: String) throws(FileError)
    /// All names, in any order.
    func names() throws(FileError) -> [String]
    /// Opens a folder in this one; creates it if there is none. A symbolic link is never followed.
    func folder(_ name: String) throws(FileError) -> any Directory
    /// Opens a folder in this one; nil if there is none. A symbolic link is never followed.
    /// - Throws: `FileError` that `isNotAFolder` if the name belongs to something else.
    func existingFolder(_ name: String) throws(FileError) -> (any Directory)?
    /// True if the name by which the folder was opened still leads to it: false if it was removed or renamed, or if
    /// something is mounted over it.
    /// - Parameter parent: the folder that it was opened in; nil if it was opened by a path.
    func isCurrent(in parent: (any Directory)?) throws(FileError) -> Bool
    /// The space of the file system.
    func space() throws(FileError) -> Space
    /// Syncs the folder: its names, as they are now, survive a power cut.
    func sync() throws(FileError)
}

/// An open file. Each opening has its own locks: two openings of one file exclude each other, even in one process.
package protocol File: AnyObject, Sendable {
    /// Fills the buffer from `offset`. Returns how many bytes were read: fewer than the buffer has only at the file's
    /// end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int
    /// Writes all of `bytes` at `offset`. If it throws, any part of them may have been written.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError)
    /// Size, inode, number of names, time of the last change.
    func status() throws(FileError) -> FileStatus
    /// Truncates the file, or extends it with zeros.
    func truncate(to size: UInt64) throws(FileError)
    /// Allocates the first `size` bytes, so that writing them cannot fail for lack of space.
    /// - Returns: false if this file system cannot allocate space in advance.
    func reserve(_ size: UInt64) throws(FileError) -> Bool
    /// Copies bytes from another file. The two files share the blocks if the file system supports that.
    /// - Returns: how many bytes were copied; fewer than `length` only at the end of the other file.
    func copy(
        from source: any File, at sourceOffset: UInt64, length: UInt64, to offset: UInt64
    ) throws(FileError) -> UInt64
    /// Starts writing dirty pages to the medium without waiting for it. A later `sync` has less to do.
    func startWriteBack()
    /// Sets the time of the last change. In Unix seconds.
    func touch(_ time: UInt64) throws(FileError)
    /// Syncs the file: its bytes and size, as they are now, survive a power cut.
    func sync() throws(FileError)
    /// The file's extended attribute that belongs to the store; nil if it has none.
    func attribute() throws(FileError) -> [UInt8]?
    /// Sets that attribute, in place of the one that the file has.
    /// - Returns: false if the file system does not support attributes, or none of that length.
    func setAttribute(_ bytes: [UInt8]) throws(FileError) -> Bool
    /// Removes that attribute. Fails if the file has none.
    func removeAttribute() throws(FileError)
    /// Syncs the file and its attribute. `sync` need not sync the attribute.
    func syncWithAttribute() throws(FileError)
    /// Locks a range against other openings, until it is unlocked or this opening is closed. Length 0 means up to any
    /// end.
    /// - Returns: false if another opening has locked a part of it and `wait` is false.
    func lock(offset: UInt64, length: UInt64, wait: Bool) throws(FileError) -> Bool
    /// Unlocks a range.
    func unlock(offset: UInt64, length: UInt64)
}

/// The status of a file.
package struct FileStatus: Sendable, Equatable {
    /// In bytes.
    package var size: UInt64
    /// The file's number in its file system. A rename does not change it.
    package var inode: UInt64
    /// How many names it has; 0 after the last was removed.
    package var names: UInt64
    /// The time of the last change, in Unix seconds.
    package var modified: UInt64
    /// False for a folder, a symbolic link, a device and the like.
    package var isRegular: Bool

    package init(size: UInt64, inode: UInt64, names: UInt64, modified: UInt64, isRegular: Bool = true) {
        self.size = size
        self.inode = inode
        self.names = names
        self.modified = modified
        self.isRegular = isRegular
    }
}

/// The space of a file system, in bytes.
package struct Space: Sendable, Equatable {
    /// The space that this process may still use.
    package var free: UInt64
    /// The size of the whole file system.
    package var total: UInt64

    package init(free: UInt64, total: UInt64) {
        self.free = free
        self.total = total
    }
}

/// A failed disk call. The operation and the name are for the log only.
package struct FileError: Error, Equatable, CustomStringConvertible {
    /// The operation, as a verb.
    package var operation: String
    /// The file's name inside the store.
    package var name: String
    /// errno(3).
    package var code: Int32

    package init(operation: String, name: String, code: Int32) {
        self.operation = operation
        self.name = name
        self.code = code
    }

    package var description: String { "cannot \(operation) \(name): \(errorText(code))" }
}
