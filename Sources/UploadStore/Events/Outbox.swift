import UploadModel

// How events of finished files survive until they are delivered.
//
// The journal of an upload is the outbox. The record that announces the final name lists the recipients of the event.
// It is synced before the file gets the name, and counts once the file has it. So there is an event if and only if
// there is a finished file, whatever crashes. A delivery is recorded after it, unsynced: after a power cut the event
// may be delivered again.
//
// The journal of a finished upload is removed when it expires, and when a new upload of the same name takes its place.
// Events that are still owed then are first copied into a folder of their own, as a short journal of the same format
// and nonce:
//
//     <state>/events/<key>-<number>-<nonce>.journal    an older upload of that key, numbered in the order of finishing
//     <state>/events/turns                             holds the locks of leases; each retry and each drop makes it one
//                                                      byte longer, which dispatchers look for
//
// A copy whose journal still exists does not count: the process that made it died before it removed the journal.
//
// A lease is a kernel lock on a byte of `turns`, whose offset follows from the upload's key and the recipient. The lock
// ends with its process, excludes other processes and threads alike, and keeps the events of one upload in order.

/// The events of a local store.
package struct Outbox: EventOutbox {
    static let folder = "events"
    private static let turns = "turns"

    private let store: LocalStore

    package init(_ store: LocalStore) {
        self.store = store
    }

    // MARK: Listing

    package func events(
        owedTo recipients: Recipients = Recipients(rawValue: .max), atMost limit: Int = .max
    ) throws(StoreError) -> (events: [OwedEvent], isMore: Bool, unreadable: [StoreError]) {
        var events: [OwedEvent] = []
        var isMore = false
        func oldest() {
            events.sort { ($0.upload.finished ?? 0, $0.id) < ($1.upload.finished ?? 0, $1.id) }
            if events.count > limit {
                events.removeLast(events.count - limit)
                isMore = true
            }
        }
        let unreadable = try visit { event in
            guard !event.owed.isDisjoint(with: recipients) else { return }
            events.append(event)
            if events.count / 2 >= limit { oldest() }
        }
        oldest()
        return (events, isMore, unreadable)
    }

    /// Calls `body` with every event once.
    ///
    /// - Returns: an error for each journal that cannot be read.
    private func visit(_ body: (OwedEvent) -> Void) throws(StoreError) -> [StoreError] {
        var unreadable: [StoreError] = []
        func read(_ name: String, in folder: any Directory) -> OwedEvent? {
            do throws(StoreError) {
                return try onDisk { () throws(FileError) in
                    try folder.openToInspect(name).flatMap { file throws(FileError) in try Journal.read(file) }
                        .flatMap(event)
                }
            } catch {
                unreadable.append(error)
                return nil
            }
        }
        // Copies come last: a journal may become a copy meanwhile, and a copy never becomes a journal.
        var seen: Set<UInt64> = []
        for name in try store.journals() {
            guard let event = read(name, in: store.state) else { continue }
            if let nonce = event.nonce { seen.insert(nonce) }
            body(event)
        }
        guard let folder = try onDisk({ () throws(FileError) in try existing() }) else { return unreadable }
        for name in try onDisk({ () throws(FileError) in try folder.names() }).compactMap({ CopyName($0) })
        where !seen.contains(name.nonce) {
            if let event = read(name.text, in: folder) { body(event) }
        }
        return unreadable
    }

    private func event(_ journal: Journal) -> OwedEvent? {
        OwedEvent(journal, touched: store.time, layout: store.settings.layout)
    }

    private func existing() throws(FileError) -> (any Directory)? { try store.state.existingFolder(Outbox.folder) }

    // MARK: Delivering

    /// A lock on a byte of `turns`.
    private final class Lease: DeliveryLease {
        private let outbox: Outbox
        private let key: UploadKey
        private let recipient: Recipients
        /// Holds the lock.
        private let turns: any File

        init(_ outbox: Outbox, _ key: UploadKey, _ recipient: Recipients, _ turns: any File) {
            self.outbox = outbox
            self.key = key
            self.recipient = recipient
            self.turns = turns
        }

        func next() throws(StoreError) -> OwedEvent? {
            try onDisk { () throws(FileError) in
                // The journal comes first, because it may become a copy in between.
                let current = try outbox.journal(of: key).flatMap(outbox.event)
                for name in try outbox.copies(of: key) {
                    if name.nonce != current?.nonce, let copy = try outbox.open(name).flatMap(outbox.event),
                        copy.owed.isSuperset(of: recipient)
                    {
                        return copy
                    }
                }
                return current?.owed.isSuperset(of: recipient) == true ? current : nil
            }
        }

        func delivered(_ event: OwedEvent) throws(StoreError) {
            let record = JournalRecord.settled(recipient, isDropped: false, time: outbox.store.time)
            try outbox.append(record, to: event)
        }

        func failed(_ event: OwedEvent, _ attempts: Attempts) throws(StoreError) {
            try outbox.append(.attempted(recipient, attempts), to: event)
        }
    }

    package func lease(_ key: UploadKey, for recipient: Recipients) throws(StoreError) -> (any DeliveryLease)? {
        try onDisk { () throws(FileError) in
            let turns = try store.state.folder(Outbox.folder).create(Outbox.turns)
            // 55 bits of the key, and the recipient's bit.
            let place = (UInt64(key.text.prefix(13), radix: 16) ?? 0) << 3
            let offset = place + UInt64(recipient.rawValue.trailingZeroBitCount & 7)
            guard try turns.lock(offset: offset, length: 1, wait: false) else { return nil }
            return Lease(self, key, recipient, turns)
        }
    }

    package func changes() throws(StoreError) -> UInt64 {
        try onDisk { () throws(FileError) in try existing()?.status(Outbox.turns)?.size ?? 0 }
    }

    // MARK: Operators

    package func retry(_ event: OwedEvent, _ recipients: Recipients) throws(StoreError) {
        for recipient in recipients.each {
            let before = event.attempts[recipient]
            let attempts = Attempts(count: before?.count ?? 0, next: store.time, reason: before?.reason ?? "")
            try append(.attempted(recipient, attempts), to: event)
        }
        try announceChange()
    }

    package func drop(_ event: OwedEvent, _ recipients: Recipients) throws(StoreError) {
        for recipient in recipients.each {
            try append(.settled(recipient, isDropped: true, time: store.time), to: event)
        }
        try announceChange()
    }

    /// Makes `turns` longer, which dispatchers look for.
    private func announceChange() throws(StoreError) {
        try onDisk { () throws(FileError) in
            let turns = try store.state.folder(Outbox.folder).create(Outbox.turns)
            let size = try turns.status().size
            try turns.truncate(to: size + 1)
        }
    }

    // MARK: Writing

    /// Appends a record to the journal of an event, which may be a copy by now. Does nothing if it is gone.
    private func append(_ record: JournalRecord, to event: OwedEvent) throws(StoreError) {
        guard let nonce = event.nonce else { return }
        try onDisk { () throws(FileError) in
            if let file = try store.state.open(event.key.journal), try append(record, to: file, nonce) != nil {
                return
            }
            for name in try copies(of: event.key) where name.nonce == nonce {
                guard let folder = try existing(), let file = try folder.open(name.text) else { continue }
                if try append(record, to: file, nonce) == [] { try folder.remove(name.text) }
            }
        }
    }

    /// - Returns: the recipients that are still owed the event; nil if the file was removed or is another upload's by
    ///   now.
    private func append(_ record: JournalRecord, to file: any File, _ nonce: UInt64) throws(FileError) -> Recipients? {
        _ = try file.lock(offset: 0, length: 1, wait: true)
        defer { file.unlock(offset: 0, length: 1) }
        guard try file.status().names > 0, var journal = try Journal.read(file), journal.header.nonce == nonce else {
            return nil
        }
        try journal.append([record])
        return journal.owed
    }

    private func journal(of key: UploadKey) throws(FileError) -> Journal? {
        guard let file = try store.state.open(key.journal) else { return nil }
        return try Journal.read(file)
    }

    // MARK: Copies

    private struct CopyName {
        let text: String
        let key: Substring
        let number: UInt64
        let nonce: UInt64

        /// Nil if `text` is the name of another kind of file.
        init?(_ text: String) {
            let parts = text.prefix { $0 != "." }.split(separator: "-")
            guard text.hasSuffix(UploadFiles.journalSuffix), parts.count == 3,
                let number = UInt64(parts[1], radix: 16), let nonce = UInt64(parts[2], radix: 16)
            else { return nil }
            self.text = text
            self.number = number
            self.nonce = nonce
            key = parts[0]
        }

        init(_ key: UploadKey, number: UInt64, nonce: UInt64) {
            text = "\(key.text)-\(hexadecimal(number))-\(hexadecimal(nonce))" + UploadFiles.journalSuffix
            self.key = key.text[...]
            self.number = number
            self.nonce = nonce
        }
    }

    /// Returns the copies of an upload's journals, the oldest first.
    private func copies(of key: UploadKey) throws(FileError) -> [CopyName] {
        guard let names = try existing()?.names() else { return [] }
        return names.compactMap { CopyName($0) }.filter { $0.key == key.text }.sorted { $0.number < $1.number }
    }

    private func open(_ name: CopyName) throws(FileError) -> Journal? {
        guard let file = try existing()?.open(name.text) else { return nil }
        return try Journal.read(file)
    }

    /// Copies the owed event of a finished upload whose journal is about to be removed. The copy is durable when this
    /// returns. The caller holds the journal's lock.
    fileprivate func keep(_ journal: Journal, _ key: UploadKey) throws(FileError) {
        guard let done = journal.finalRecords else { return }
        let copies = try copies(of: key)
        let nonce = journal.header.nonce
        let folder = try store.state.folder(Outbox.folder)
        // A copy that a dead process left half made is made again, with its name: if the name was what could not be
        // synced, a second sync alone would have nothing to write.
        for half in copies where half.nonce == nonce { try folder.remove(half.text) }
        let name = CopyName(key, number: (copies.last?.number ?? 0) + 1, nonce: nonce)
        var header = journal.header
        header.size = journal.size
        var copy = try Journal.begin(try folder.create(name.text), header: header, boot: store.boot)
        try copy.append(done)
        try copy.sync()
        try folder.sync()
        try store.state.sync()
    }

    private func isCurrent(_ file: (any File)?, _ nonce: UInt64) throws(FileError) -> Bool {
        guard let file, try file.status().names > 0 else { return false }
        return try Journal.read(file)?.header.nonce == nonce
    }

    /// Removes copies that do not count: half made ones, those whose journal exists, and those that are owed to no one.
    func sweep() throws(StoreError) {
        try onDisk { () throws(FileError) in
            guard let folder = try existing() else { return }
            for name in try folder.names().compactMap({ CopyName($0) }) {
                // A process that makes a copy holds the journal's lock.
                let file = try store.state.open(name.key + UploadFiles.journalSuffix)
                _ = try file?.lock(offset: 0, length: 1, wait: true)
                defer { file?.unlock(offset: 0, length: 1) }
                let isOwed = try open(name)?.owed.isEmpty == false
                let isCurrent = try isCurrent(file, name.nonce)
                if !isOwed || isCurrent { try folder.remove(name.text) }
            }
        }
    }
}

extension LocalStore {
    package var outbox: any EventOutbox { Outbox(self) }

    /// Removes the journal of a finished upload, and keeps the event that is still owed. The caller holds the journal's
    /// lock.
    func forget(_ journal: Journal, _ key: UploadKey) throws(FileError) {
        try forgetToken(of: journal.header, key)
        try keepEvents(of: journal, key)
        try state.remove(key.journal)
        removeRecord(of: journal.header, journal.finalName)
    }

    /// Keeps what is still owed of a finished upload whose journal is about to go. The journal is locked.
    func keepEvents(of journal: Journal, _ key: UploadKey) throws(FileError) {
        if !journal.owed.isEmpty { try Outbox(self).keep(journal, key) }
    }
}

extension OwedEvent {
    /// Nil if nothing is owed.
    fileprivate init?(_ journal: Journal, touched: UInt64, layout: Layout) {
        guard journal.isPublished, !journal.owed.isEmpty,
            let upload = UploadSummary(journal, touched: touched, layout: layout)
        else { return nil }
        // The nonce is random. A part of the key keeps events apart whose uploads drew the same nonce.
        self.init(
            id: hexadecimal(journal.header.nonce) + UploadKey(upload.id).text.prefix(16), upload: upload,
            owed: journal.owed, attempts: journal.attempts)
    }

    /// The nonce of the upload's journal. Nil if the event is of another store.
    fileprivate var nonce: UInt64? { UInt64(id.prefix(16), radix: 16) }
}

extension Attempts {
    /// The largest count that a journal can record.
    static let maximumCount = 0xff_ffff
}

extension Journal {
    /// The records that an event needs; nil while the upload is under way.
    fileprivate var finalRecords: [JournalRecord]? {
        guard case .done(let number, let inode, let time) = publication else { return nil }
        return (metadata.isEmpty ? [] : [.described(metadata)]) + [
            .publishing(number: number, inode: inode, owed: owed),
            .published(number: number, inode: inode, time: time),
        ] + attempts.filter { owed.isSuperset(of: $0.key) }.map { .attempted($0.key, $0.value) }
    }
}

/// 16 digits.
private func hexadecimal(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}
