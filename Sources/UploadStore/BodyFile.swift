import Glibc

/// The body of a request, where the web server has put it into a file instead of sending it: a store on the same file
/// system can share its bytes instead of copying them.
public final class BodyFile: Sendable {
    let file: any File
    /// How many bytes it has.
    public let length: UInt64

    init(_ file: any File) throws(FileError) {
        self.file = file
        length = try file.status().size
    }

    /// Reads bytes from `offset` on; fewer than the buffer takes only at the end.
    ///
    /// - Returns: how many.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        try onDisk { () throws(FileError) in try file.read(into: buffer, at: offset) }
    }

    /// Hands all bytes on, through `buffer`.
    func read(
        through buffer: UnsafeMutableRawBufferPointer, _ take: (UnsafeRawBufferPointer) throws(StoreError) -> Void
    ) throws(StoreError) {
        try file.read(first: length, through: buffer, failing: { $0 }, take)
    }
}

/// The folder that the web server puts bodies into (nginx: `client_body_temp_path`).
///
/// Which file a request means, it says itself, and only the web server can make it say so. All the same nothing but what
/// nginx makes is opened: files in this folder, or in its own folders in there, that are named by numbers.
public struct BodyFolder: Sendable {
    /// As the web server's configuration has it.
    public let path: String

    /// The folder of that path. It need not be there yet: nginx makes it when it starts.
    public init(_ path: String) {
        self.path = path
    }

    /// Opens the file of that path.
    ///
    /// - Throws: `StoreError` if it is none of the web server's, or is not there any more.
    public func open(_ path: String) throws(StoreError) -> BodyFile {
        try onDisk { () throws(FileError) in
            let prefix = self.path.hasSuffix("/") ? self.path : self.path + "/"
            let names = path.dropFirst(prefix.count).split(separator: "/", omittingEmptySubsequences: false)
            guard path.hasPrefix(prefix), let last = names.last,
                names.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } })
            else { throw FileError(operation: "use as a body", name: path, code: EACCES) }
            var folder = try LinuxDirectory.existing(self.path)
            for name in names.dropLast() {
                guard let next = try folder.existingFolder(String(name)) as? LinuxDirectory else {
                    throw FileError(operation: "open", name: path, code: ENOENT)
                }
                folder = next
            }
            let file = try folder.openForReading(String(last))
            guard try file.status().isRegular else {
                throw FileError(operation: "use as a body", name: path, code: EACCES)
            }
            return try BodyFile(file)
        }
    }
}
