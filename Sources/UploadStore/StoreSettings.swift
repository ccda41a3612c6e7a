/// What an operator may set about a store.
package struct StoreSettings: Sendable {
    /// When bytes are made to survive a power cut.
    package var durability: Durability
    /// How many bytes of the file system are left to others: an upload that would go below isn't begun.
    package var minimumFree: UInt64
    /// Where finished files lie.
    package var layout: Layout
    /// What happens if a finished file's name is taken.
    package var onConflict: ConflictPolicy
    /// What happens if a client states another size for an upload that is under way.
    package var onSizeChange: SizeChangePolicy
    /// After how many seconds without a chunk an upload is removed, and the record of a finished one; 0: never.
    package var expire: UInt64
    /// For how many seconds after an upload was finished a test of it is answered with 200, where the client does not say
    /// when the file was modified (PROTOCOL.md, How bytes are matched to files).
    package var finishedWindow: UInt64
    /// Who is owed an event of each file that is finished from now on (`Outbox`).
    package var recipients: Recipients
    /// How many uploads stay open between requests. 1 and up.
    package var openUploads: Int

    /// Settings; the defaults are those of the README.
    package init(
        durability: Durability = .file, minimumFree: UInt64 = 64 << 20, layout: Layout = .flat,
        onConflict: ConflictPolicy = .rename, onSizeChange: SizeChangePolicy = .refuse,
        expire: UInt64 = 7 * 24 * 3600, finishedWindow: UInt64 = 15 * 60, recipients: Recipients = [],
        openUploads: Int = 256
    ) {
        self.durability = durability
        self.minimumFree = minimumFree
        self.layout = layout
        self.onConflict = onConflict
        self.onSizeChange = onSizeChange
        self.expire = expire
        self.finishedWindow = finishedWindow
        self.recipients = recipients
        self.openUploads = openUploads
    }
}

/// When bytes are made to survive a power cut.
package enum Durability: String, Sendable, CaseIterable {
    /// Before the answer to the chunk that completes the file.
    case file
    /// Before the answer to each chunk.
    case chunk
}

/// Where finished files lie below the root.
package enum Layout: String, Sendable, CaseIterable {
    /// All beside each other, as the Flask backend has them.
    case flat
    /// Under the path that the client says, with its folders.
    case tree
    /// Each in a folder named after the upload's identifier.
    case identifier
}

/// What happens if a finished file's name is taken by another one.
package enum ConflictPolicy: String, Sendable, CaseIterable {
    /// It gets a number: `name (1).ext`.
    case rename
    /// It takes the other's place, in one atomic step.
    case replace
    /// It is refused, at its first chunk if the name is taken then.
    case refuse
}

/// What happens if a client states another size for an upload that is under way.
package enum SizeChangePolicy: String, Sendable, CaseIterable {
    /// The request is an error.
    case refuse
    /// The upload begins afresh, if nobody is sending to it and its last chunk is a minute old: so a late chunk of the
    /// file as it was doesn't throw away what is coming now.
    case restart
}
