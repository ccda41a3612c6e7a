import Linux

/// Every disk call that the store makes, as an interface: the real one is `LinuxFileSystem`; tests put one under the
/// store that loses power. Names are single components; nothing here takes a path.
package protocol Directory: AnyObject, Sendable {
    /// Opens a file; nil if there is none of that name. A symbolic link is never followed.
    func open(_ name: String) throws(FileError) -> (any File)?
    /// Opens a file, and makes an empty one first if there is none.
    func create(_ name: String) throws(FileError) -> any File
    /// A file without a name, gone when it is closed.
    func createNameless() throws(FileError) -> any File
    /// What stands under that name; nil if nothing does. A symbolic link is not followed.
    func status(_ name: String) throws(FileError) -> FileStatus?
    /// Gives a file another name in another folder, in one atomic step.
    /// - Returns: false if that name is taken and not to be replaced.
    func rename(
        _ name: String, to directory: any Directory, as newName: String, replacing: Bool
    ) throws(FileError) -> Bool
    /// Removes a file's name; nothing happens if it isn't there.
    func remove(_ name: String) throws(FileError)
    /// Removes a folder, if it is there and empty.
    func removeFolder(_ name: String) throws(FileError)
    /// All names, in no order.
    func names() throws(FileError) -> [String]
    /// Opens a folder in this one, and makes it first if there is none. A symbolic link is never followed.
    func folder(_ name: String) throws(FileError) -> any Directory
    /// Opens a folder in this one; nil if there is none. A symbolic link is never followed.
    /// - Throws: `FileError` that `isNotAFolder` if something else has the name.
    func existingFolder(_ name: String) throws(FileError) -> (any Directory)?
    /// How much room the file system has.
    func space() throws(FileError) -> Space
    /// Returns when the names as they are now would survive a power cut.
    func sync() throws(FileError)
}

/// An open file. Each opening has its own locks: two openings of one file shut each other out, also in one process.
package protocol File: AnyObject, Sendable {
    /// Reads bytes from `offset` on; fewer than the buffer takes only at the end of the file. Returns how many.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int
    /// Writes all of `bytes` at `offset`, or throws; then any part of them may have been written.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError)
    /// Size, identity, number of names, time of the last change.
    func status() throws(FileError) -> FileStatus
    /// Cuts the file off, or extends it with zeros.
    func truncate(to size: UInt64) throws(FileError)
    /// Sees to it that the first `size` bytes can be written without asking for more room.
    /// - Returns: false if this file system can't promise that.
    func reserve(_ size: UInt64) throws(FileError) -> Bool
    /// Copies bytes of another file, sharing them where the file system can.
    /// - Returns: how many; fewer than `length` only at the end of the other file.
    func copy(
        from source: any File, at sourceOffset: UInt64, length: UInt64, to offset: UInt64
    ) throws(FileError) -> UInt64
    /// Begins to write to the medium what isn't there yet, and doesn't wait for it: a `sync` to come has less to do.
    func startWriteBack()
    /// Sets the time of the last change, in Unix seconds.
    func touch(_ time: UInt64) throws(FileError)
    /// Returns when the file's bytes and size as they are now would survive a power cut.
    func sync() throws(FileError)
    /// Locks a range against other openings, until it is given back or this opening ends. Length 0 means to any end.
    /// - Returns: false if another opening has a lock on a part of it and `wait` is false.
    func lock(offset: UInt64, length: UInt64, wait: Bool) throws(FileError) -> Bool
    /// Gives a lock back.
    func unlock(offset: UInt64, length: UInt64)
}

/// What is known of a file without reading it.
package struct FileStatus: Sendable, Equatable {
    /// In bytes.
    package var size: UInt64
    /// The file system's number for it: stays the same through renames.
    package var inode: UInt64
    /// How many names it has; 0 once the last was removed.
    package var names: UInt64
    /// When it was changed last, in Unix seconds.
    package var modified: UInt64
    /// False for a folder, a symbolic link, a device and the like.
    package var isRegular = true
}

/// The room of a file system, in bytes.
package struct Space: Sendable, Equatable {
    /// What this process may still fill.
    package var free: UInt64
    /// What there is in all.
    package var total: UInt64
}

/// A disk call that failed. The code says why, the operation and name say what was tried: for the log only.
package struct FileError: Error, Equatable, CustomStringConvertible {
    /// What was tried, as a verb.
    package var operation: String
    /// The file's name inside the store.
    package var name: String
    /// errno(3).
    package var code: Int32

    package var description: String { "cannot \(operation) \(name): \(errorText(code))" }
}
