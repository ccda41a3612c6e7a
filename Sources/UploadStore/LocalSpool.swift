/// A spool in a file without a name.
final class LocalSpool: Spool {
    private let file: any File
    private(set) var length: UInt64 = 0

    init(_ file: any File) {
        self.file = file
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        try onDisk { () throws(FileError) in try file.write(bytes, at: length) }
        length += UInt64(bytes.count)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        try onDisk { () throws(FileError) in try file.read(into: buffer, at: offset) }
    }
}
