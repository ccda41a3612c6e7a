// How failures of file calls become errors of the store.

extension StoreError {
    init(_ error: FileError) {
        self = error.isFull ? .full(StoreCause(error)) : .failed(StoreCause(error))
    }
}

extension StoreCause {
    init(_ error: FileError) {
        self.init(error.description)
    }
}

/// Runs file calls, and turns a failure into a `StoreError`.
package func onDisk<Result>(_ calls: () throws(FileError) -> Result) throws(StoreError) -> Result {
    do { return try calls() } catch { throw StoreError(error) }
}
