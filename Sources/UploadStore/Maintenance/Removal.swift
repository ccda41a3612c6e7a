package import UploadModel

extension LocalStore {
    package func remove(_ id: UploadID) throws(StoreError) -> Removal {
        var id = id
        if settings.layout != .tree { id.path = nil }
        var budget = WaitBudget()
        while let upload = try find(id) {
            if let stands = try stands(upload) {
                if stands { throw .finished }
                break
            }
            // Waits for chunks that are being received: a client that cancels breaks off its requests.
            if try removeIfQuiet(upload, seconds: 0, cause: .givenUp) {
                cache.drop(upload)
            } else if !budget.wait() {
                throw .busy
            }
        }
        clearParts(of: id)
        // The upload must not come back with a power cut.
        try onDisk { () throws(FileError) in try state.sync() }
        return Removal()
    }
}
