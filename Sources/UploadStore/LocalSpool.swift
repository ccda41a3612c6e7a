/// A spool in a file without a name.
package final class LocalSpool: Spool {
    private let file: any File
    package private(set) var length: UInt64 = 0

    init(_ file: any File) {
        self.file = file
    }

    /// Makes a spool in `folder`.
    package convenience init(in folder: any Directory) throws(StoreError) {
        self.init(try onDisk { () throws(FileError) in try folder.createNameless() })
    }

    package func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        try onDisk { () throws(FileError) in try file.write(bytes, at: length) }
        length += UInt64(bytes.count)
    }

    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        try onDisk { () throws(FileError) in try file.read(into: buffer, at: offset) }
    }
}
