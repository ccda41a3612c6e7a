package import UploadModel

/// Takes chunks and tells which it holds: everything that the upload service needs of a store.
///
/// The protocols in this folder are the seam between the program and its stores. They say nothing about files, so a
/// store may keep its bytes elsewhere, such as in an object store. Every store conforms to the four protocols that
/// `ManagedStore` joins. Optional abilities are protocols of their own (`EventStore`, `VerifiableStore`), which the
/// program asks for with `as?`.
///
/// All calls may come from any thread, and from several processes that share one store. They block. A store keeps the
/// promises of PROTOCOL.md ("Promises"); `Tests/StoreConformance` checks them.
package protocol ChunkStore: Sendable {
    /// Returns what the store holds of an upload, as a test of one of its chunks asks; nil if the upload is unknown.
    ///
    /// A test may do work that an earlier request left undone. An upload that is complete but has no final name yet,
    /// because a process died before it could publish the file, is published. Chunks that another server left for the
    /// upload (the local store takes over the Flask backend's parts) are taken over, which can begin the upload and
    /// complete it. Each call also postpones the upload's expiry.
    ///
    /// - Throws: `StoreError.sizeDiffers` if the test states another size than the upload has; `.busy`, `.full`,
    ///   `.failed`, `.untrusted` or `.noMemory` if the store cannot find out.
    func status(of chunk: ChunkRequest) throws(StoreError) -> UploadStatus?

    /// Begins to receive a chunk. This begins the upload if the store does not know it yet.
    ///
    /// - Returns: the writer that takes the chunk's bytes.
    func receive(_ chunk: ChunkRequest) throws(StoreError) -> any ChunkWriter

    /// Removes an unfinished upload and everything that is held of it. Does nothing if the upload is unknown.
    ///
    /// - Throws: `StoreError.finished` if the upload is complete: its file stays. `.busy` if another request keeps
    ///   writing to it.
    func remove(_ upload: UploadID) throws(StoreError) -> Removal

    /// Makes temporary storage for bytes that arrive before their parameters.
    func spool() throws(StoreError) -> any Spool
}

/// Takes the bytes of one chunk, in order, on one thread. A writer that is released without `commit` leaves no trace in
/// what the store says it holds.
package protocol ChunkWriter: AnyObject {
    /// Takes the next bytes.
    ///
    /// - Throws: `StoreError.wrongLength` once there are more bytes than the chunk may have, or a failure to write.
    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError)

    /// Ends the chunk. When this returns, the store holds the bytes and has recorded that it does.
    ///
    /// - Throws: `StoreError.tooShort` or `.wrongLength` if the number of bytes does not fit; `.busy` if another
    ///   request changed the same range meanwhile; or a failure to write.
    func commit() throws(StoreError) -> Receipt
}

/// Proof that a chunk is held. Only a store makes one, and the service answers 200 only with one.
package struct Receipt: Sendable, Equatable {
    /// The chunk's effect on its upload.
    package enum Effect: Sendable, Equatable {
        /// The chunk is held, and others are missing.
        case stored
        /// Nothing changed: the same bytes were held before, or the file was complete already.
        case duplicate
        /// The chunk completed the file. `path` is the file's path below the store's root.
        case completed(path: String)
    }

    package let effect: Effect

    /// For stores only: the caller vouches that the chunk is held.
    package init(_ effect: Effect) {
        self.effect = effect
    }
}

/// Proof that nothing is held of an upload. Only a store makes one.
package struct Removal: Sendable {
    /// For stores only: the caller vouches that the upload is gone.
    package init() {}
}

/// The state of an upload, for a test of one of its chunks.
package struct UploadStatus: Sendable, Equatable {
    /// The size of the whole file in bytes; nil while no client has stated it.
    package let size: UInt64?
    /// The bytes that are held.
    package let held: ByteRangeSet
    /// True if the file has its final name.
    package let complete: Bool
    /// Proof that the tested chunk is held; nil if it is missing.
    package let receipt: Receipt?

    package init(size: UInt64?, held: ByteRangeSet, complete: Bool, receipt: Receipt?) {
        self.size = size
        self.held = held
        self.complete = complete
        self.receipt = receipt
    }
}

/// Decides whether an upload may be begun. A store may ask more than once about one upload, from several threads.
///
/// - Parameters:
///   - chunk: the request that begins it.
///   - newFolders: how many folders the store has to create for the file.
/// - Throws: `StoreError.notAdmitted`, `.undecided` or `.postponed`.
package typealias Admission = @Sendable (_ chunk: ChunkRequest, _ newFolders: Int) throws(StoreError) -> Void
