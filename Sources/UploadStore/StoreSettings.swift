/// The settings of a store.
package struct StoreSettings: Sendable {
    /// When bytes become durable.
    package var durability: Durability
    /// How many bytes of the storage are left to others. An upload that would leave less is not begun.
    package var minimumFree: UInt64
    /// How much space a file's first chunk reserves at most, in bytes (`LocalStore.reserve`).
    package var maximumFirstStep: UInt64
    /// How much space one client's unfinished uploads may have reserved beyond what is held of them. What is beyond is
    /// written without a reservation.
    package var maximumReserved: SpaceLimit
    /// Where finished files are put.
    package var layout: Layout
    /// The policy for a finished file whose name is taken.
    package var onConflict: ConflictPolicy
    /// The policy for a client that states another size for an upload that is under way.
    package var onSizeChange: SizeChangePolicy
    /// After how many seconds without a chunk or a test an unfinished upload is removed, and after how many the record
    /// of a finished one; 0: never.
    package var expire: UInt64
    /// For how many seconds after an upload was finished its tests are answered with 200, if the client does not state
    /// when the file was modified (PROTOCOL.md, How bytes are matched to files).
    package var finishedWindow: UInt64
    /// The recipients of an event for each file that is finished from now on (`EventOutbox`).
    package var recipients: Recipients
    /// How many uploads the store keeps open between requests. At least 1.
    package var openUploads: Int

    /// The defaults are those of the command line.
    package init(
        durability: Durability = .file, minimumFree: UInt64 = 64 << 20, maximumFirstStep: UInt64 = 64 << 20,
        maximumReserved: SpaceLimit = .percent(10), layout: Layout = .flat, onConflict: ConflictPolicy = .rename,
        onSizeChange: SizeChangePolicy = .refuse,
        expire: UInt64 = 7 * 24 * 3600, finishedWindow: UInt64 = 15 * 60, recipients: Recipients = [],
        openUploads: Int = 256
    ) {
        self.durability = durability
        self.minimumFree = minimumFree
        self.maximumFirstStep = maximumFirstStep
        self.maximumReserved = maximumReserved
        self.layout = layout
        self.onConflict = onConflict
        self.onSizeChange = onSizeChange
        self.expire = expire
        self.finishedWindow = finishedWindow
        self.recipients = recipients
        self.openUploads = openUploads
    }
}

/// A part of the storage.
package enum SpaceLimit: Sendable, Equatable {
    /// 0: no limit.
    case bytes(UInt64)
    /// Of the storage's size: 1 to 100.
    case percent(UInt64)

    /// The limit in bytes, for a storage of `total` bytes.
    package func bytes(of total: UInt64) -> UInt64 {
        switch self {
        case .bytes(0): .max
        case .bytes(let bytes): bytes
        case .percent(let percent): total / 100 * percent
        }
    }
}

/// When bytes become durable: from then on they survive a power cut.
package enum Durability: String, Sendable, CaseIterable {
    /// Before the answer to the chunk that completes the file.
    case file
    /// Before the answer to each chunk.
    case chunk
}

/// Where finished files are put, below the root.
package enum Layout: String, Sendable, CaseIterable {
    /// All in one folder, as the Flask backend puts them.
    case flat
    /// Under the relative path that the client states, with its folders.
    case tree
    /// Each in a folder that is named after the upload's identifier.
    case identifier
}

/// The policy for a finished file whose name is taken.
package enum ConflictPolicy: String, Sendable, CaseIterable {
    /// The file gets a number: `name (1).ext`.
    case rename
    /// The file replaces the other one, in one atomic step.
    case replace
    /// The upload is refused, with its first chunk if the name is taken by then.
    case refuse
}

/// The policy for a client that states another size for an upload that is under way.
package enum SizeChangePolicy: String, Sendable, CaseIterable {
    /// The request fails.
    case refuse
    /// The upload begins anew if no request is writing to it and its last chunk is a minute old. The minute keeps a
    /// late chunk of the old file from removing the new one.
    case restart
}
