import HTTP
import UploadStore

/// A body that is read from the file that the web server has put it into.
struct FileBody: RequestBody {
    private let file: BodyFile
    private var position: UInt64 = 0

    init(_ file: BodyFile) {
        self.file = file
    }

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BodyError) -> Int {
        guard let count = try? file.read(into: buffer, at: position), count > 0 || position == file.length else {
            throw .cutShort(received: position, announced: file.length)
        }
        position += UInt64(count)
        return count
    }
}
