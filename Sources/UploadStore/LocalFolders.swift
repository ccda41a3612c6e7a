extension LocalStore {
    /// True if the paths of the root and of the state folder still lead to the open folders.
    var hasItsFolders: Bool {
        get throws(StoreError) {
            try onDisk { () throws(FileError) in
                guard try root.isCurrent(in: nil) else { return false }
                return try state.isCurrent(in: root)
            }
        }
    }

    /// Checks that the path of the root still leads to the open folder.
    ///
    /// - Throws: `StoreError.replaced` if not.
    func checkRoot() throws(StoreError) {
        guard try onDisk({ () throws(FileError) in try root.isCurrent(in: nil) }) else {
            throw .replaced(StoreCause("the root is not the folder that was opened"))
        }
    }

    /// Checks that what is stored now can be found by its path.
    ///
    /// - Throws: `StoreError.replaced` if a folder was removed or moved, or if something is mounted over it.
    func checkFolders() throws(StoreError) {
        guard try hasItsFolders else {
            throw .replaced(StoreCause("the root or its state folder is not the folder that was opened"))
        }
    }
}
