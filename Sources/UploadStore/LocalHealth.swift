extension LocalStore {
    package func space() throws(StoreError) -> StoreSpace? {
        let space = try onDisk { () throws(FileError) in try root.space() }
        return StoreSpace(free: space.free, total: space.total, minimumFree: settings.minimumFree)
    }

    package func checkWritable() throws(StoreError) {
        try checkFolders()
        try checkFloor(beforeWriting: 1)
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
