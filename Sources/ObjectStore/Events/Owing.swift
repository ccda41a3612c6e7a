import Linux
import S3
import UploadModel
import UploadStore

// How events of finished files survive until they are delivered, whichever host dies.
//
// Before a file is recorded as finished (`done`), a note names the recipients of its event, and `done` names the note. The
// host that creates `done` then creates an event for each recipient, and deletes the note. If it dies before that,
// another host finds the note, and creates the events: in time, or at the latest before `done` is deleted. So there are
// events if and only if there is a finished file. A delivered event is deleted. A host that stops for a minute between
// two of these steps may create an event again that another one has delivered: events are delivered at least once.

/// The name of an event in the keys of its objects, in the order of finishing for the events of one upload.
struct EventName: Hashable, Comparable {
    /// `UploadKey.text`.
    let upload: String
    /// In Unix seconds.
    let finished: UInt64
    let generation: Generation.Name

    init(upload: String, finished: UInt64, _ generation: Generation.Name) {
        self.upload = upload
        self.finished = finished
        self.generation = generation
    }

    init?(_ text: Substring) {
        let words = text.split(separator: ".", omittingEmptySubsequences: false)
        guard words.count == 3, let finished = UInt64(words[1], radix: 16), let generation = Generation.Name(words[2])
        else { return nil }
        self.init(upload: String(words[0]), finished: finished, generation)
    }

    var text: String { "\(upload).\(finished.hexDigits).\(generation.text)" }

    static func < (one: EventName, other: EventName) -> Bool {
        (one.finished, one.generation, one.upload) < (other.finished, other.generation, other.upload)
    }
}

/// The recipients of the event of a file that is about to be recorded as finished.
struct OwedNote {
    let outcome: Outcome
    let recipients: Recipients
    /// `done` names the note that its host has made or found. Any other one came too late.
    let nonce: String

    init(_ outcome: Outcome, _ recipients: Recipients, nonce: String) {
        var outcome = outcome
        outcome.note = nonce
        self.outcome = outcome
        self.recipients = recipients
        self.nonce = nonce
    }

    init?(_ fields: Fields) {
        guard let outcome = Outcome(fields), let bits = fields.number("owed").flatMap({ UInt8(exactly: $0) }),
            let nonce = fields["nonce"]
        else { return nil }
        self.init(outcome, Recipients(rawValue: bits), nonce: nonce)
    }

    var fields: Fields {
        var fields = Fields()
        outcome.write(to: &fields)
        fields["owed"] = String(recipients.rawValue)
        fields["nonce"] = nonce
        return fields
    }
}

extension ObjectStore {
    /// How old a note is at least that another host has left, in seconds: its own host uses it at once.
    private static let noteSeconds: UInt64 = 60

    /// Notes the recipients of the event of a file, before the file is recorded as finished.
    ///
    /// - Returns: the note, which another host may have made before; nil if there are no recipients.
    func note(_ outcome: Outcome, _ generation: Generation.Name) throws(StoreError) -> OwedNote? {
        guard !settings.recipients.isEmpty else { return nil }
        let note = OwedNote(outcome, settings.recipients, nonce: random().hexDigits)
        let key = keys.note(UploadKey(outcome.claim.id).text, generation)
        let creation = try onEngine { () throws(S3Error) in try bucket.create(key, note.fields.body) }
        guard case .exists(let body?) = creation else { return note }
        return Fields(body).flatMap { OwedNote($0) } ?? note
    }

    /// Creates the events of a file, once its `done` names the note.
    func makeEvents(_ note: OwedNote, _ generation: Generation.Name) throws(StoreError) {
        let upload = UploadKey(note.outcome.claim.id).text
        let name = EventName(upload: upload, finished: note.outcome.finished, generation)
        for recipient in note.recipients.each {
            _ = try create(keys.event(name, recipient)) { note.outcome.write(to: &$0) }
        }
        try onEngine { () throws(S3Error) in try bucket.delete([keys.note(upload, generation)]) }
    }

    /// Creates the events of a file if there is a note of it and a `done` that names it, and removes a note that came too
    /// late. Leaves the note while the file may still be published.
    ///
    /// - Parameter upload: `UploadKey.text`.
    func useNote(_ upload: String, _ generation: Generation.Name) throws(StoreError) {
        let key = keys.note(upload, generation)
        guard let body = try document(key) else { return }
        let note = try understood(Fields(body).flatMap { OwedNote($0) }, key)
        let done = try document(keys.mark("\(keys.uploads)\(upload)/", generation, .done))
        guard let outcome = done.flatMap({ Fields($0) }).flatMap({ Outcome($0) }) else { return }
        if outcome.path != nil && outcome.note == note.nonce { return try makeEvents(note, generation) }
        try onEngine { () throws(S3Error) in try bucket.delete([key]) }
    }

    /// Uses the notes that dead hosts have left.
    func useNotes() throws(StoreError) {
        try useNotes(try onEngine { () throws(S3Error) in try bucket.listAll(keys.notes) })
    }

    private func useNotes(_ objects: [ListedObject]) throws(StoreError) {
        for object in objects {
            guard let modified = object.modified, modified + ObjectStore.noteSeconds <= now() else { continue }
            let words = object.key.dropFirst(keys.notes.count).split(separator: ".")
            guard words.count == 2, let generation = Generation.Name(words[1]) else { continue }
            try useNote(String(words[0]), generation)
        }
    }

    /// Creates the events of finished generations whose marks are about to be deleted.
    func makeEvents(of generations: [Generation], in folder: String) throws(StoreError) {
        let upload = String(folder.dropFirst(keys.uploads.count).prefix { $0 != "/" })
        for generation in generations where generation.marks[.done] != nil {
            try useNote(upload, generation.name)
        }
    }

    /// Uses the notes that dead hosts have left, and removes their leases, attempts to deliver events that are no longer
    /// owed, and an old mark of changes.
    func sweepEvents() throws(StoreError) {
        let objects = try onEngine { () throws(S3Error) in try bucket.listAll(keys.owed) }
        try useNotes(objects.filter { $0.key.hasPrefix(keys.notes) })
        let owed = Set(objects.filter { $0.key.hasPrefix(keys.events) }.map { $0.key.dropFirst(keys.events.count) })
        let old = objects.filter { object in
            // An event may have been created while its folder was listed.
            let isOld = (object.modified ?? .max) < now() - min(now(), 2 * leaseSeconds + 3600)
            let isUnneeded =
                object.key == keys.changes || object.key.hasPrefix(keys.leases)
                || object.key.hasPrefix(keys.attempts) && !owed.contains(object.key.dropFirst(keys.attempts.count))
            return isOld && isUnneeded
        }
        if !old.isEmpty { try onEngine { () throws(S3Error) in try bucket.delete(old.map(\.key)) } }
    }
}
