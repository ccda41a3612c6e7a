import Linux
import Synchronization
import UploadModel

// Space is reserved in steps that follow what has come: a request that only states a large size must not take the disk
// from all others.

extension LocalStore {
    /// The first step, in bytes: a small share of the disk, but at least 1 MiB. On a disk of more than 16 GiB, the
    /// first steps of 1000 uploads, the default limit of one client, take a sixteenth of it.
    private func firstStep(_ space: Space) -> UInt64 {
        max(1 << 20, min(settings.maximumFirstStep, space.total / 16_384))
    }

    /// How much space one client's uploads may have reserved in all beyond what is held of them, in bytes. On a small
    /// disk it is enough for one first step.
    private func maximumReserved(_ space: Space) -> UInt64 {
        max(settings.maximumReserved.bytes(of: space.total), firstStep(space))
    }

    /// Checks that there is space for the file of an upload that begins, and reserves the first step. Nothing is
    /// reserved for a file that is written as a whole now: a full disk shows as soon without, at less cost.
    ///
    /// - Parameters:
    ///   - chunk: the request that begins the upload. If it states no size, nothing is checked or reserved.
    ///   - data: the data file.
    /// - Returns: up to which offset no chunk has to look at the free space.
    /// - Throws: `StoreError.full`, or `.neverFits` for a file that is larger than the whole disk.
    func reserve(for chunk: ChunkRequest, _ data: any File) throws(StoreError) -> UInt64 {
        guard case .sized(let size, _, _) = chunk.place else { return 0 }
        let space = try checkSpace(for: size)
        if chunk.isWholeFile { return size }
        let step = take(min(size, firstStep(space)), for: UploadKey(chunk.upload), of: chunk.clientKey, space)
        guard step > 0 else { return 0 }
        do throws(StoreError) { return try allocate(step, for: data) ? step : 0 } catch {
            reservations.withLock { $0.end(UploadKey(chunk.upload)) }
            throw error
        }
    }

    private func take(_ bytes: UInt64, for key: UploadKey, of client: String, _ space: Space) -> UInt64 {
        reservations.withLock { $0.take(bytes, for: key, of: client, atMost: maximumReserved(space)) }
    }

    /// Checks that there is space for a new file.
    ///
    /// - Returns: the space that there is before it.
    /// - Throws: `StoreError.full`, or `.neverFits` for a file that is larger than the whole disk.
    @discardableResult
    func checkSpace(for size: UInt64) throws(StoreError) -> Space {
        let space = try onDisk { () throws(FileError) in try root.space() }
        guard size <= space.total else { throw .neverFits(size: size) }
        try checkFloor(size, space)
        return space
    }

    /// The same, for a small file that is written now: the space need not be looked at again while there was plenty of
    /// it a second ago.
    func checkSpaceLately(for size: UInt64) throws(StoreError) {
        let now = MonotonicClock.milliseconds
        if plenty.withLock({ $0.take(size, at: now) }) { return }
        let space = try checkSpace(for: size)
        plenty.withLock { $0 = Plenty(space, minimumFree: settings.minimumFree, at: now) }
    }

    /// Makes sure that a chunk finds space: nothing has to be done up to `Upload.reserved`. Behind that, the minimum of
    /// free space must be left, and the next step is reserved: as much as is held already, if there is space for it and
    /// the client may reserve it.
    ///
    /// - Throws: `StoreError.full`.
    func prepare(
        _ data: any File, of upload: Upload, for range: ByteRange, from client: String
    ) throws(StoreError) {
        let reserved = upload.reserved.load(ordering: .relaxed)
        if range.end <= reserved { return }
        let space = try onDisk { () throws(FileError) in try root.space() }
        try checkFloor(range.length, space)
        guard let size = upload.declaredSize, canReserve.load(ordering: .relaxed),
            let held = try upload.look({ $0.held.count })
        else { return }
        let wanted = held < size / 2 ? min(size, max(2 * held, firstStep(space))) : max(size, held)
        // A chunk far ahead of the others reserves nothing before it.
        guard range.end <= wanted, wanted > reserved, wanted - reserved <= space.free - settings.minimumFree else {
            return
        }
        let end = held + take(wanted - held, for: upload.key, of: client, space)
        guard range.end <= end, end > reserved else { return }
        // This makes the file longer, which would hide that another program has cut it short.
        try upload.checkData(try onDisk { () throws(FileError) in try data.status() })
        guard try allocate(end, for: data) else { return }
        upload.reserved.max(end, ordering: .relaxed)
        upload.noteLength(end)
    }

    /// - Returns: false if this file system cannot reserve space.
    private func allocate(_ end: UInt64, for data: any File) throws(StoreError) -> Bool {
        let isReserved = try onDisk { () throws(FileError) in try data.reserve(end) }
        if !isReserved && canReserve.exchange(false, ordering: .relaxed) {
            observe(.notice("this file system cannot reserve space: an upload may fail when the disk is full"))
        }
        return isReserved
    }

    /// Checks that so many bytes leave the minimum of free space.
    func checkFloor(beforeWriting count: UInt64) throws(StoreError) {
        try checkFloor(count, try onDisk { () throws(FileError) in try root.space() })
    }

    private func checkFloor(_ count: UInt64, _ space: Space) throws(StoreError) {
        guard space.free >= count, space.free - count >= settings.minimumFree else {
            throw .full(StoreCause("less than the minimum of free space would be left"))
        }
    }
}

/// Space that need not be looked at for each small file.
struct Plenty {
    /// How long it counts, in milliseconds.
    private static let milliseconds: UInt64 = 1000
    /// The share of the free space that may be taken meanwhile without another look.
    private static let share: UInt64 = 16

    /// Until when it counts, by the monotonic clock, in milliseconds.
    private var end: UInt64 = 0
    /// How many bytes are left to take.
    private var bytes: UInt64 = 0

    /// None.
    init() {}

    /// A part of the space above the minimum that is left free, for the next second.
    init(_ space: Space, minimumFree: UInt64, at now: UInt64) {
        guard space.free > minimumFree else { return }
        bytes = (space.free - minimumFree) / Plenty.share
        end = now + Plenty.milliseconds
    }

    /// Takes so many bytes; false if there are not as many, or if they do not count any more.
    mutating func take(_ count: UInt64, at now: UInt64) -> Bool {
        guard now < end, count <= bytes else { return false }
        bytes -= count
        return true
    }
}
