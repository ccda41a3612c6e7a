import Glibc
import UploadModel

// How a complete upload becomes a file, exactly once and in one atomic step, at a cost that doesn't grow with it:
//
//   1. a lock on the whole data file: nobody writes, nobody else publishes
//   2. sync the data
//   3. journal: publishing(number, inode), synced
//   4. rename to the final name, which must be free; else the next number, from 3
//   5. sync the root folder
//   6. journal: published
//
// After a crash the journal tells how far it came: `publishing` without a data file in the state folder means that 4
// was done (`settle`); anything before it is simply done again.

/// How long one request waits for another that holds what it needs.
struct Patience {
    private var slept: UInt32 = 0
    private static let limit: UInt32 = 10_000_000

    /// Sleeps for a moment, longer each time; false once ten seconds have passed.
    mutating func wait() -> Bool {
        guard slept < Patience.limit else { return false }
        let pause = min(max(slept / 4, 500), 50_000)
        usleep(pause)
        slept += pause
        return true
    }
}

extension LocalStore {
    /// How many numbers are tried for a name that is taken.
    private static let maximumNumber: UInt64 = 10_000

    /// Gives a complete upload its name, or waits for whoever does.
    ///
    /// - Returns: the name; nil if the upload isn't complete any more, or was published by somebody else.
    func publish(_ upload: Upload) throws(StoreError) -> String? {
        var patience = Patience()
        while true {
            guard let open = try upload.look({ $0.coversFile && !$0.isPublished }), open else { return nil }
            if let file = try openData(of: upload),
                try onDisk({ () throws(FileError) in try file.lock(offset: 0, length: 0, wait: false) })
            {
                // It may have changed while we came; the lock ends with `file`.
                guard let open = try upload.look({ $0.coversFile && !$0.isPublished }), open else { return nil }
                return try publish(upload, locked: file)
            }
            guard patience.wait() else { throw .busy }
        }
    }

    private func publish(_ upload: Upload, locked file: any File) throws(StoreError) -> String {
        do {
            try file.sync()
        } catch {
            _ = try? upload.change { journal throws(FileError) in try journal.giveUp() }
            throw .untrusted(error)
        }
        let inode = try onDisk { () throws(FileError) in try file.status().inode }
        for number in 0..<LocalStore.maximumNumber {
            let name = upload.id.filename.numbered(number)
            // Cheap, and saves a sync for each name that is taken. The rename decides.
            guard try onDisk({ () throws(FileError) in try root.status(name) }) == nil else { continue }
            let announced = try upload.change { journal throws(FileError) in
                try journal.append([.publishing(number: number, inode: inode)])
                try journal.file.sync()
            }
            guard announced else { throw .busy }
            let done = try onDisk { () throws(FileError) in
                guard try state.rename(upload.files.data, to: root, as: name) else { return false }
                try root.sync()
                return true
            }
            guard done else { continue }
            _ = try upload.change { journal throws(FileError) in
                // Who came by between the rename and now has written it down already.
                guard !journal.isPublished else { return }
                try journal.append([.published(number: number, inode: inode, time: time)])
            }
            return name
        }
        throw .failed(FileError(operation: "find a free name for", name: upload.id.filename.text, code: EEXIST))
    }

    /// Opens the data file. Nil where it is gone; then the journal says why, and who looks again finds out.
    func openData(of upload: Upload) throws(StoreError) -> (any File)? {
        if let file = try onDisk({ () throws(FileError) in try state.open(upload.files.data) }) { return file }
        // Whoever renamed it is about to write that down, or failed to (the disk may have become full); or somebody
        // removed it by hand.
        _ = try upload.change { journal throws(FileError) in try journal.settle(upload.files, self) }
        return nil
    }
}

extension Journal {
    /// Writes down what became of a data file that is gone. The journal is locked and up to date.
    mutating func settle(_ files: UploadFiles, _ store: LocalStore) throws(FileError) {
        guard !isPublished, try store.state.status(files.data) == nil else { return }
        if case .announced(let number, let inode) = publication {
            // A publication that was cut off behind the rename.
            try store.root.sync()
            try append([.published(number: number, inode: inode, time: store.time)])
        } else {
            // Somebody removed it by hand. In this order: an empty file must not pass for what was held.
            try giveUp()
            _ = try store.state.create(files.data)
        }
    }

    /// Nothing that was held can be vouched for any more. So after a failed sync: the kernel forgets what it could not
    /// write, and a second sync would succeed. All of it must come again. The journal is locked and up to date.
    mutating func giveUp() throws(FileError) {
        try append([.lost(ByteRange(first: header.size))])
        try file.sync()
    }
}
