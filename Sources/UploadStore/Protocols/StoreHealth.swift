/// Tells whether a store can take uploads.
package protocol StoreHealth: Sendable {
    /// Returns the room of the storage; nil for a store whose storage has no such limit.
    func space() throws(StoreError) -> StoreSpace?

    /// Checks whether a byte could be stored now, with the minimum of free space left. Leaves nothing behind.
    ///
    /// - Throws: the `StoreError` that an upload would meet.
    func checkWritable() throws(StoreError)
}

/// The room of a store's storage, in bytes.
package struct StoreSpace: Sendable, Equatable {
    /// How much this process may still fill.
    package var free: UInt64
    /// The size of the storage.
    package var total: UInt64
    /// How much is left to others: an upload that would leave less is not begun.
    package var minimumFree: UInt64

    /// The size of an ordinary file: 64 MiB, or a sixteenth of a small storage.
    package var ordinaryFile: UInt64 { min(64 << 20, total / 16) }
    /// True if an ordinary file could be stored now, with the minimum of free space left.
    package var fitsOrdinaryFile: Bool { free >= minimumFree && free - minimumFree >= ordinaryFile }

    package init(free: UInt64, total: UInt64, minimumFree: UInt64) {
        self.free = free
        self.total = total
        self.minimumFree = minimumFree
    }
}
