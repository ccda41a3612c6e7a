// What an operator's tools ask of a store: is it well?

/// What is wrong with the store or what it stands on, in the words that errors are counted by.
package enum StoreFault: String, Sendable, CaseIterable {
    /// The disk is full, the quota used up, or the floor of free space reached.
    case full
    /// A disk call failed.
    case failed
    /// A sync failed, and an upload was given up.
    case sync
    /// There is no memory.
    case memory
}

extension StoreError {
    /// What is wrong with the store; nil if it is the request that is.
    package var fault: StoreFault? {
        switch self {
        case .full: .full
        case .failed: .failed
        case .untrusted: .sync
        case .noMemory: .memory
        default: nil
        }
    }
}

extension LocalStore {
    /// How many bytes are left to others (`StoreSettings.minimumFree`).
    package var minimumFree: UInt64 { settings.minimumFree }

    /// The room of the store's file system.
    package func space() throws(StoreError) -> Space {
        try onDisk { () throws(FileError) in try root.space() }
    }

    /// How many uploads are under way, by one look into the folder: each of them, whichever process takes it, has a data
    /// file there that goes when it ends.
    package func countUnderWay() throws(StoreError) -> Int {
        try onDisk { () throws(FileError) in try state.names() }.count { $0.hasSuffix(UploadFiles.dataSuffix) }
    }

    /// Sees whether something can be written now, above the floor of free space. Leaves nothing behind.
    ///
    /// - Throws: `StoreError`, as an upload would meet it.
    package func checkWritable() throws(StoreError) {
        try checkFloor(beforeWriting: 1, isReserved: false)
        try onDisk { () throws(FileError) in
            let file = try state.createNameless()
            var failure: FileError?
            withUnsafeBytes(of: UInt8(0)) { byte in
                do throws(FileError) { try file.write(byte, at: 0) } catch { failure = error }
            }
            if let failure { throw failure }
        }
    }
}
