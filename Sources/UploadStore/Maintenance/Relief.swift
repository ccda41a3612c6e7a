import Linux
import UploadModel

// When space runs out, uploads that hold nearly nothing are given up first: their clients lose little, and the space
// that was reserved for them is free.

extension LocalStore {
    /// How long nothing must have come for an upload that is given up, in seconds.
    static let idleSeconds: UInt64 = 600
    /// How often the free space is looked at, in seconds.
    private static let lookSeconds: UInt64 = 60

    /// Gives up uploads that hold nearly nothing, if space is short. Looks at the space once a minute.
    func relieve() {
        guard let elapsed = monotonicTime else { return }
        let isDue = looked.withLock { looked in
            guard looked == 0 || elapsed >= looked + LocalStore.lookSeconds else { return false }
            looked = elapsed
            return true
        }
        let isTrusted = clocks.withLock { $0.agrees(wall: time, monotonic: elapsed) }
        guard isDue, isTrusted, isShortOfSpace, let names = try? journals() else { return }
        // The next sweep reports what cannot be removed.
        for name in names { _ = try? removeIfNearlyEmpty(name) }
    }

    /// True if an ordinary file no longer fits.
    var isShortOfSpace: Bool { (try? space()).flatMap { $0 }?.fitsOrdinaryFile == false }

    private func removeIfNearlyEmpty(_ name: String) throws(StoreError) {
        try onDisk { () throws(FileError) in
            guard let file = try state.open(name), let journal = try Journal.read(file),
                let id = journal.header.uploadID, journal.isNearlyEmpty
            else { return }
            let files = UploadFiles(key: UploadKey(id), nonce: journal.header.nonce)
            _ = try remove(files, file, unusedFor: LocalStore.idleSeconds, cause: .space)
        }
    }
}

extension Journal {
    /// True if less than 1 MiB and less than a sixteenth of an unfinished file have come.
    var isNearlyEmpty: Bool {
        guard !isPublished, let size else { return false }
        let count = held.count
        return count < 1 << 20 && count < size / 16
    }
}
