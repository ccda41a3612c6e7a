import ArgumentParser
import Events
import Glibc
import JSON
import UploadModel
import UploadStore

/// `resumabled status`: lists the uploads that are under way.
struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the uploads that are under way.",
        discussion: """
            The speed is the average since the upload began or, with --watch, since the last update. --json also lists \
            finished uploads whose record has not expired.
            """)

    @OptionGroup var existing: ExistingStore

    @Flag(help: "Print a JSON array.")
    var json = false

    @Flag(help: "Update the list every second, until Ctrl-C.")
    var watch = false

    func validate() throws {
        guard !(json && watch) else { throw ValidationError("Give --json or --watch, not both.") }
    }

    func run() throws {
        let store = try existing.open()
        var unreadable = UnreadableRecords()
        if json {
            print(Status.json(try store.uploads { unreadable.add($0) }))
            return try unreadable.report()
        }
        var last: [UploadID: (held: UInt64, at: ContinuousClock.Instant)] = [:]
        while true {
            unreadable = UnreadableRecords()
            let uploads = try store.uploadsUnderWay { unreadable.add($0) }
            let clock = ContinuousClock.now
            let now = UInt64(time(nil))
            let rows = uploads.map { upload in
                let since = last[upload.id].map { ($0.held, ($0.at.duration(to: clock)) / .seconds(1)) }
                return StatusTable.row(upload, now: now, since: since)
            }
            guard watch else {
                print(StatusTable.text(rows))
                return try unreadable.report()
            }
            var size = TerminalSize.now
            if unreadable.summary != nil { size?.lines -= 1 }
            // The cursor goes home, and the rest is cleared: that does not flicker.
            print("\u{1b}[H\u{1b}[J" + StatusTable.text(rows, size: size))
            if let summary = unreadable.summary { print(summary.prefix(size?.columns ?? .max)) }
            fflush(nil)
            last = Dictionary(uploads.map { ($0.id, ($0.held, clock)) }, uniquingKeysWith: { $1 })
            sleep(1)
        }
    }

    static func json(_ uploads: [UploadSummary]) -> JSON {
        .array(
            uploads.map { upload in
                .object([
                    ("identifier", .string(upload.id.identifier)), ("filename", .string(upload.id.filename.text)),
                    ("size", .number(upload.size)), ("held", .number(upload.held)),
                    ("begun", .number(upload.begun)), ("touched", .number(upload.touched)),
                    ("complete", .bool(upload.path != nil)), ("path", .string(upload.path)),
                    ("owner", .string(upload.id.owner.subject.isEmpty ? nil : upload.id.owner.subject)),
                    ("metadata", JSON(metadata: upload.metadata.lists)),
                ])
            })
    }
}
