import Linux
import UploadModel
import UploadStore

/// The content of a store in memory, shared by all `MemoryStore`s on it.
final class SharedMemory: Sendable {
    struct Contents {
        var uploads: [UploadKey: MemoryUpload] = [:]
        /// Finished files by path.
        var files: [String: [UInt8]] = [:]
        /// Events in the order of finishing.
        var events: [OwedEvent] = []
        var leases: Set<LeaseName> = []
        /// How many retries and drops there were.
        var changes: UInt64 = 0
        /// The number of the latest upload.
        var number: UInt64 = 0
    }

    struct LeaseName: Hashable {
        let key: UploadKey
        let recipient: Recipients
    }

    let contents = Lock(Contents())
}

/// An upload, from its first chunk until its record expires.
struct MemoryUpload {
    let id: UploadID
    /// Tells this upload from an earlier one of the same key.
    let number: UInt64
    let path: String
    let tokenID: String?
    let begun: UInt64
    /// When a client last sent to it or asked for it.
    var touched: UInt64
    /// When a chunk last came.
    var added: UInt64
    let lastModified: UInt64?
    var size: UInt64?
    var chunkSize: UInt64?
    var bytes: [UInt8] = []
    var held = ByteRangeSet()
    /// The last chunk, while the chunk size that places it is unknown.
    var last: (number: UInt64, bytes: [UInt8])?
    var metadata = Metadata()
    /// The final path and the time of finishing.
    var published: (path: String, time: UInt64)?
    /// The ranges that were sent again after that.
    var confirmed: [ByteRange] = []
    /// Ranges of the finished upload before this one, which a client may have sent for this one.
    var provisional: [(offset: UInt64, bytes: [UInt8])] = []

    var summary: UploadSummary {
        UploadSummary(
            id: id, size: size, held: held.count + UInt64(last?.bytes.count ?? 0), begun: begun, touched: touched,
            finished: published?.time, path: published?.path, metadata: metadata)
    }

    /// Where the last held byte ends.
    var end: UInt64 { held.ranges.last?.end ?? 0 }

    func contradicts(size total: UInt64) -> Bool { (size ?? end) != total && (size != nil || end > total) }

    /// Puts bytes in their place.
    ///
    /// - Returns: false if the same bytes were held there.
    mutating func put(_ new: [UInt8], at offset: UInt64) -> Bool {
        let (start, end) = (Int(offset), Int(offset) + new.count)
        guard let range = ByteRange(from: offset, length: UInt64(new.count)) else { return false }
        if bytes.count < end { bytes += [UInt8](repeating: 0, count: end - bytes.count) }
        if held.contains(range) && bytes[start..<end].elementsEqual(new) { return false }
        bytes.replaceSubrange(start..<end, with: new)
        held.insert(range)
        provisional.removeAll { ByteRange(from: $0.offset, length: UInt64($0.bytes.count))?.overlaps(range) == true }
        return true
    }

    /// Lets provisional ranges count, if they are all that is missing.
    mutating func settleProvisional() {
        guard let size, published == nil else { return }
        var all = held
        for piece in provisional {
            ByteRange(from: piece.offset, length: UInt64(piece.bytes.count)).map { all.insert($0) }
        }
        guard all.contains(ByteRange(first: size)) else { return }
        for piece in provisional { _ = put(piece.bytes, at: piece.offset) }
    }

    /// Moves the last chunk to its place, once that is known.
    mutating func placeLast() {
        guard let last, let chunkSize else { return }
        self.last = nil
        let offset = (last.number - 1) * chunkSize
        _ = put(last.bytes, at: offset)
        size = offset + UInt64(last.bytes.count)
    }

    /// Takes over the sizes that a request states.
    mutating func learn(_ place: ChunkRequest.Place) {
        guard case .sized(let total, let size, _) = place, self.size == nil else { return }
        if chunkSize == nil { chunkSize = size }
        placeLast()
        if self.size == nil { self.size = total }
    }

    /// Where a chunk lies; nil while that is unknown.
    func range(of chunk: ChunkRequest) -> ByteRange? {
        switch chunk.place {
        case .sized(_, _, let layout): return layout.range
        case .counted(let count):
            guard let chunkSize else { return nil }
            let start = (chunk.number - 1) * chunkSize
            if chunk.number < count { return ByteRange(from: start, length: chunkSize) }
            return size.flatMap { ByteRange(from: start, to: $0) }
        }
    }
}

/// A store that keeps everything in memory: the smallest one that keeps the promises. Only the flat layout.
final class MemoryStore: ManagedStore, EventStore {
    let memory: SharedMemory
    let settings: StoreSettings
    let now: @Sendable () -> UInt64
    private let observe: StoreObserver
    private let admit: Admission

    init(
        _ memory: SharedMemory, _ settings: StoreSettings, now: @escaping @Sendable () -> UInt64,
        observe: @escaping StoreObserver, admit: @escaping Admission
    ) {
        self.memory = memory
        self.settings = settings
        self.now = now
        self.observe = observe
        self.admit = admit
    }

    var outbox: any EventOutbox { MemoryOutbox(memory: memory, now: now) }

    // MARK: Chunks

    func status(of chunk: ChunkRequest) throws(StoreError) -> UploadStatus? {
        try memory.contents.withLock { contents throws(StoreError) in
            let key = UploadKey(chunk.upload)
            guard var upload = contents.uploads[key] else { return nil }
            if case .sized(let total, _, _) = chunk.place, upload.contradicts(size: total) {
                if upload.published != nil || isQuiet(upload) { return nil }
                throw .sizeDiffers(known: upload.size ?? upload.end)
            }
            if let published = upload.published, !answersTests(upload, published, of: chunk) { return nil }
            upload.learn(chunk.place)
            if upload.published == nil { upload.touched = now() }
            complete(&upload, &contents)
            contents.uploads[key] = upload
            let isHeld =
                upload.published != nil || upload.last?.number == chunk.number
                || upload.range(of: chunk).map(upload.held.contains) == true
            return UploadStatus(
                size: upload.size, held: upload.held, complete: upload.published != nil,
                receipt: isHeld ? Receipt(.duplicate) : nil)
        }
    }

    func receive(_ chunk: ChunkRequest) throws(StoreError) -> any ChunkWriter {
        if case .sized = chunk.place { return MemoryWriter(self, chunk, upload: try begin(chunk)) }
        return MemoryWriter(self, chunk, upload: nil)
    }

    func remove(_ id: UploadID) throws(StoreError) -> Removal {
        try memory.contents.withLock { contents throws(StoreError) in
            guard let upload = contents.uploads[UploadKey(id)] else { return Removal() }
            if upload.published != nil { throw .finished }
            contents.uploads[UploadKey(id)] = nil
            observe(.removed(upload.summary, .givenUp))
            return Removal()
        }
    }

    func spool() -> any Spool { MemorySpool() }

    /// Finds the upload of a chunk, or begins it.
    ///
    /// - Returns: the upload's number.
    func begin(_ chunk: ChunkRequest) throws(StoreError) -> UInt64 {
        if let known = try find(chunk) { return known }
        try admit(chunk, 0)
        // Another thread may have begun it while the hook was asked.
        if let known = try find(chunk) { return known }
        return try memory.contents.withLock { contents throws(StoreError) in
            let key = UploadKey(chunk.upload)
            if let upload = contents.uploads[key] { return upload.number }
            if let quota = chunk.quota {
                let count = contents.uploads.values.count {
                    $0.tokenID == quota.tokenID && $0.id.owner == chunk.upload.owner
                }
                guard count < quota.limit else { throw .quotaUsedUp(limit: quota.limit) }
            }
            let folders = chunk.upload.owner.directory.map { $0.text + "/" } ?? ""
            let path = folders + chunk.upload.filename.text
            if settings.onConflict == .refuse, contents.files[path] != nil { throw .nameTaken }
            contents.number += 1
            var upload = MemoryUpload(
                id: chunk.upload, number: contents.number, path: path, tokenID: chunk.quota?.tokenID, begun: now(),
                touched: now(), added: now(), lastModified: chunk.lastModified)
            upload.learn(chunk.place)
            contents.uploads[key] = upload
            observe(.begun(upload.summary))
            return upload.number
        }
    }

    /// Finds the upload of a chunk. Removes one of another size that makes way for it.
    private func find(_ chunk: ChunkRequest) throws(StoreError) -> UInt64? {
        try memory.contents.withLock { contents throws(StoreError) in
            let key = UploadKey(chunk.upload)
            guard var upload = contents.uploads[key] else { return nil }
            guard case .sized(let total, _, _) = chunk.place, upload.contradicts(size: total) else {
                upload.learn(chunk.place)
                contents.uploads[key] = upload
                return upload.number
            }
            guard upload.published != nil || isQuiet(upload) else {
                throw .sizeDiffers(known: upload.size ?? upload.end)
            }
            contents.uploads[key] = nil
            if upload.published == nil { observe(.removed(upload.summary, .superseded)) }
            return nil
        }
    }

    /// True if the client can be assumed to have the file of a finished upload.
    private func answersTests(
        _ upload: MemoryUpload, _ published: (path: String, time: UInt64), of chunk: ChunkRequest
    ) -> Bool {
        if let stated = chunk.lastModified, let known = upload.lastModified { return stated == known }
        return !chunk.isOnlyChunk && now() < published.time + settings.finishedWindow
    }

    private func isQuiet(_ upload: MemoryUpload) -> Bool {
        settings.onSizeChange == .restart && upload.added + 60 <= now()
    }

    /// Changes the upload of that number, and publishes it if that completes it.
    ///
    /// - Parameter change: returns whether the chunk is new.
    /// - Throws: `StoreError.busy` if the upload was removed meanwhile.
    func commit(
        _ chunk: ChunkRequest, _ number: UInt64, _ change: (inout MemoryUpload) throws(StoreError) -> Bool
    ) throws(StoreError) -> Receipt {
        try memory.contents.withLock { contents throws(StoreError) in
            let key = UploadKey(chunk.upload)
            guard var upload = contents.uploads[key], upload.number == number else { throw .busy }
            if let published = upload.published {
                // Compared by putting the chunk into a copy that has the finished file.
                var copy = upload
                copy.bytes = contents.files[published.path] ?? []
                copy.held = ByteRangeSet()
                copy.held.insert(ByteRange(first: UInt64(copy.bytes.count)))
                let range = upload.range(of: chunk)
                if (try? change(&copy)) == false {
                    if let range { upload.confirmed.append(range) }
                    contents.uploads[key] = upload
                    return Receipt(.duplicate)
                }
                let finished = upload
                upload = successor(of: finished, published.path, chunk, before: range?.start ?? 0, &contents)
                // A chunk of another length is from a file that is cut in another way.
                var copyOfSuccessor = upload
                if (try? change(&copyOfSuccessor)) == nil {
                    upload = successor(of: finished, published.path, chunk, before: nil, &contents)
                }
            }
            let isNew = try change(&upload)
            upload.touched = now()
            upload.added = now()
            if !chunk.metadata.isEmpty { upload.metadata = chunk.metadata }
            complete(&upload, &contents)
            contents.uploads[key] = upload
            if let published = upload.published { return Receipt(.completed(path: published.path)) }
            return Receipt(isNew ? .stored : .duplicate)
        }
    }

    /// Begins a new upload in the place of a finished one, with the ranges that were confirmed: those before the first
    /// difference are held, the others provisional.
    private func successor(
        of upload: MemoryUpload, _ path: String, _ chunk: ChunkRequest, before offset: UInt64?,
        _ contents: inout SharedMemory.Contents
    ) -> MemoryUpload {
        contents.number += 1
        var next = MemoryUpload(
            id: chunk.upload, number: contents.number, path: upload.path, tokenID: chunk.quota?.tokenID, begun: now(),
            touched: now(), added: now(), lastModified: chunk.lastModified)
        next.learn(chunk.place)
        observe(.begun(next.summary))
        guard let offset else { return next }
        if next.chunkSize == nil { next.chunkSize = upload.chunkSize }
        let file = contents.files[path] ?? []
        for range in upload.confirmed {
            let bytes = Array(file[Int(range.start)..<Int(range.end)])
            if range.end <= offset {
                _ = next.put(bytes, at: range.start)
            } else {
                next.provisional.append((range.start, bytes))
            }
        }
        return next
    }

    /// Publishes an upload that is complete.
    private func complete(_ upload: inout MemoryUpload, _ contents: inout SharedMemory.Contents) {
        guard upload.published == nil, let size = upload.size, upload.held.contains(ByteRange(first: size)) else {
            return
        }
        var path = upload.path
        var copy: UInt64 = 0
        while settings.onConflict != .replace && contents.files[path] != nil {
            copy += 1
            path = upload.path.dropLast(upload.id.filename.text.count) + upload.id.filename.numbered(copy)
        }
        contents.files[path] = Array(upload.bytes.prefix(Int(size)))
        upload.bytes = []
        upload.published = (path, now())
        if !settings.recipients.isEmpty {
            let digits = String(upload.number, radix: 16)
            contents.events.append(
                OwedEvent(
                    id: String(repeating: "0", count: 32 - digits.count) + digits, upload: upload.summary,
                    owed: settings.recipients, attempts: [:]))
        }
        observe(.finished(upload.summary))
    }

    // MARK: Inventory, health, maintenance

    func visitUploads(_ visit: (UploadSummary) -> Void, unreadable _: (StoreError) -> Void) {
        for upload in memory.contents.withLock({ $0.uploads.values.map(\.summary) }) { visit(upload) }
    }

    func countUnderWay() -> Int { memory.contents.withLock { $0.uploads.values.count { $0.published == nil } } }

    func space() -> StoreSpace? { nil }

    func checkWritable() {}

    func recover() -> [StoreError] { [] }

    func sweep() -> SweepReport {
        memory.contents.withLock { contents in
            var report = SweepReport()
            guard settings.expire > 0 else { return report }
            for (key, upload) in contents.uploads where upload.touched + settings.expire <= now() {
                contents.uploads[key] = nil
                report.removed.append(upload.summary)
                observe(upload.published == nil ? .removed(upload.summary, .expired) : .forgotten(upload.summary))
            }
            return report
        }
    }
    func finishWaiting() {
        memory.contents.withLock { contents in
            for (key, upload) in contents.uploads where !upload.provisional.isEmpty && upload.added + 60 <= now() {
                var upload = upload
                upload.settleProvisional()
                complete(&upload, &contents)
                contents.uploads[key] = upload
            }
        }
    }
}

/// Collects a chunk, and puts it in its place when it is whole.
private final class MemoryWriter: ChunkWriter {
    private let store: MemoryStore
    private let chunk: ChunkRequest
    private let upload: UInt64?
    private var bytes: [UInt8] = []

    init(_ store: MemoryStore, _ chunk: ChunkRequest, upload: UInt64?) {
        self.store = store
        self.chunk = chunk
        self.upload = upload
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        self.bytes += bytes
        let received = UInt64(self.bytes.count)
        if case .sized(_, _, let layout) = chunk.place, received > layout.range.length {
            throw .wrongLength(received: received, lengths: layout.lengths)
        }
        if received > chunk.maximumFileSize { throw .tooLarge(limit: chunk.maximumFileSize) }
    }

    func commit() throws(StoreError) -> Receipt {
        let number = if let upload { upload } else { try store.begin(chunk) }
        switch chunk.place {
        case .counted(let count):
            return try store.commit(chunk, number) { upload throws(StoreError) in
                try put(in: &upload, isLast: chunk.number == count)
            }
        case .sized(_, _, let layout):
            let received = UInt64(bytes.count)
            guard layout.lengths.contains(received) else {
                if received < layout.lengths[0] { throw .tooShort(received: received, lengths: layout.lengths) }
                throw .wrongLength(received: received, lengths: layout.lengths)
            }
            return try store.commit(chunk, number) { $0.put(bytes, at: layout.offset) }
        }
    }

    /// Puts a chunk without sizes where its length and its number say.
    private func put(in upload: inout MemoryUpload, isLast: Bool) throws(StoreError) -> Bool {
        let length = UInt64(bytes.count)
        if !isLast {
            guard length > 0 else { throw .tooShort(received: 0, lengths: [1]) }
            let chunkSize = upload.chunkSize ?? length
            guard length == chunkSize else { throw .wrongLength(received: length, lengths: [chunkSize]) }
            upload.chunkSize = chunkSize
        }
        // The chunk size places a chunk, except for the first.
        guard let chunkSize = chunk.number == 1 ? 0 : upload.chunkSize else {
            let isNew = upload.last?.bytes != bytes
            upload.last = (chunk.number, bytes)
            return isNew
        }
        let offset = (chunk.number - 1) * chunkSize
        if isLast && chunk.number > 1 && length >= 2 * chunkSize {
            throw .wrongLength(received: length, lengths: [chunkSize])
        }
        guard offset + length <= chunk.maximumFileSize else { throw .tooLarge(limit: chunk.maximumFileSize) }
        if let size = upload.size, isLast ? offset + length != size : offset + length > size {
            throw .wrongLength(received: length, lengths: [size > offset ? size - offset : 0])
        }
        let isNew = upload.put(bytes, at: offset)
        if isLast { upload.size = offset + length }
        upload.placeLast()
        return isNew
    }
}

private final class MemorySpool: Spool {
    private var bytes: [UInt8] = []

    var length: UInt64 { UInt64(bytes.count) }

    func write(_ bytes: UnsafeRawBufferPointer) { self.bytes += bytes }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) -> Int {
        let piece = bytes.dropFirst(Int(offset)).prefix(buffer.count)
        buffer.copyBytes(from: piece)
        return piece.count
    }
}
