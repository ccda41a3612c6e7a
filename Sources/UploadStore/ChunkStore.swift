package import UploadModel

/// What the service asks of a store. It says nothing of files, so that bytes may also be kept elsewhere.
///
/// All calls may come from any thread, and from several processes that share one store.
package protocol ChunkStore: Sendable {
    /// What is held of the upload that a test asks about; nil if nothing is known of it.
    ///
    /// - Throws: `StoreError.sizeDiffers`, or what keeps the store from looking.
    func status(of chunk: ChunkRequest) throws(StoreError) -> UploadStatus?

    /// Begins to take a chunk. The upload is begun with it if it is not known yet.
    func receive(_ chunk: ChunkRequest) throws(StoreError) -> any ChunkWriter

    /// Gives an upload under way up: nothing of it is held any more. Nothing happens if it isn't known.
    ///
    /// - Throws: `StoreError.finished` if its file is complete: that stays. `.busy` if somebody goes on sending.
    func remove(_ upload: UploadID) throws(StoreError) -> Removal

    /// A place for bytes whose address is not known yet.
    func spool() throws(StoreError) -> Spool
}

/// Takes the bytes of one chunk, in order. Left without `commit`, nothing of it counts.
package protocol ChunkWriter: AnyObject {
    /// Takes the next bytes.
    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError)
    /// Ends the chunk. When it returns, the chunk is held and the record says so.
    func commit() throws(StoreError) -> Receipt
}

/// Proof that a chunk is held. Only a store's commit makes one, and nothing else can be answered with 200.
package struct Receipt: Sendable, Equatable {
    /// What the chunk did to its upload.
    package enum Effect: Sendable, Equatable {
        /// It is held, and more chunks are to come.
        case stored
        /// It was held before, with the same bytes, or the file was complete already: nothing changed.
        case duplicate
        /// With it the file became complete; this is its path below the root.
        case completed(path: String)
    }

    package let effect: Effect

    package init(_ effect: Effect) {
        self.effect = effect
    }
}

/// Proof that nothing of an upload is held any more.
package struct Removal: Sendable {
    package init() {}
}

/// What a store knows of an upload, for a test of one of its chunks.
package struct UploadStatus: Sendable, Equatable {
    /// The size of the whole file in bytes; nil where no client has told it yet.
    package let size: UInt64?
    /// What is held of it.
    package let held: ByteRangeSet
    /// True when the file stands under its final name.
    package let complete: Bool
    /// The proof that the chunk is held; nil if it isn't.
    package let receipt: Receipt?

    package init(size: UInt64?, held: ByteRangeSet, complete: Bool, receipt: Receipt?) {
        self.size = size
        self.held = held
        self.complete = complete
        self.receipt = receipt
    }
}

/// Why a store could not do what it was asked.
package enum StoreError: Error, Equatable {
    /// The chunk had fewer bytes than its place takes.
    case tooShort(received: UInt64, lengths: [UInt64])
    /// The chunk had more bytes than its place takes, or a number between the two that would fit.
    case wrongLength(received: UInt64, lengths: [UInt64])
    /// The upload was begun with another size.
    case sizeDiffers(known: UInt64)
    /// The file has turned out to be larger than is accepted.
    case tooLarge(limit: UInt64)
    /// The disk is smaller than the file.
    case neverFits(size: UInt64)
    /// Another file has the name, and is not to be replaced.
    case nameTaken
    /// The path leads into the store's own folder.
    case nameReserved
    /// The sender's ticket is good for so many files, and they are begun.
    case quotaUsedUp(limit: Int)
    /// The file is complete, so there is no upload to give up.
    case finished
    /// Who is asked about new uploads will not have this one, and says why.
    case notAdmitted(String)
    /// Who is asked about new uploads could not say.
    case undecided
    /// Who is asked about new uploads has no room for this one now, and says why; it may ask again in so many seconds.
    case postponed(String, seconds: Int)
    /// Somebody else is writing here, and didn't end in time or wrote something else.
    case busy
    /// The disk is full or the quota used up.
    case full(FileError)
    /// A disk call failed.
    case failed(FileError)
    /// Syncing failed: what was held of the upload can't be trusted any more and was given up.
    case untrusted(FileError)
    /// There is no memory.
    case noMemory

    init(_ error: FileError) {
        self = error.isFull ? .full(error) : .failed(error)
    }
}

/// Decides whether an upload may be begun. It may be asked more than once about the same one, by several threads.
///
/// - Throws: `StoreError.notAdmitted`, `.undecided` or `.postponed`.
package typealias Admission = @Sendable (ChunkRequest) throws(StoreError) -> Void

/// Runs disk calls, and says a failure in the store's words.
func onDisk<Result>(_ calls: () throws(FileError) -> Result) throws(StoreError) -> Result {
    do { return try calls() } catch { throw StoreError(error) }
}
