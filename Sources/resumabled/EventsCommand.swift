import ArgumentParser
import Events
import Glibc
import JSON
import UploadModel
import UploadStore

/// `resumabled events`: the events that are not delivered.
struct EventsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "List, retry or drop undelivered events of finished files.",
        subcommands: [List.self, Retry.self, Drop.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List undelivered events.")

        @OptionGroup var existing: ExistingStore

        @Flag(help: "Print a JSON array.")
        var json = false

        func run() throws {
            let outbox = try existing.openOutbox(changing: false)
            let found = try outbox.events(owedTo: Recipients(rawValue: .max), atMost: .max)
            var unreadable = UnreadableRecords()
            for error in found.unreadable { unreadable.add(error) }
            let isEmpty = found.events.isEmpty && unreadable.summary != nil
            if json {
                print(EventsCommand.json(found.events).description)
            } else if !isEmpty {
                print(EventsCommand.table(found.events))
            }
            try unreadable.report()
        }
    }

    struct Retry: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Deliver events now.",
            discussion: "Takes the events with these ids, or all. The running server delivers them, or the next one.")

        @OptionGroup var existing: ExistingStore

        @Argument(help: "The ids of events, as `list` shows them.")
        var id: [String] = []

        func run() throws {
            let outbox = try existing.openOutbox(changing: true)
            let events = try EventsCommand.find(id, in: outbox)
            for event in events { try outbox.retry(event, event.owed) }
            print("\(events.count) to be delivered now")
        }
    }

    struct Drop: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give up delivering events.", discussion: "The files stay as they are.")

        @OptionGroup var existing: ExistingStore

        @Argument(help: "The ids of events, as `list` shows them.")
        var id: [String]

        func run() throws {
            let outbox = try existing.openOutbox(changing: true)
            let events = try EventsCommand.find(id, in: outbox)
            for event in events { try outbox.drop(event, event.owed) }
            print("\(events.count) dropped")
        }
    }

    /// Returns the events of the given ids, or all if none are given.
    ///
    /// - Throws: `ValidationError` if an id is unknown.
    private static func find(_ ids: [String], in outbox: any EventOutbox) throws -> [OwedEvent] {
        let events = try outbox.allEvents()
        if ids.isEmpty { return events }
        for id in ids where !events.contains(where: { $0.id == id }) {
            throw ValidationError("There is no undelivered event \(printable(id)).")
        }
        return events.filter { ids.contains($0.id) }
    }

    private static func table(_ events: [OwedEvent]) -> String {
        guard !events.isEmpty else { return "All events are delivered." }
        let now = UInt64(time(nil))
        let titles = ["id", "file", "finished", "receiver", "attempts", "next", "last error"]
        let rows = events.flatMap { event in
            event.owed.each.map { recipient in
                let attempts = event.attempts[recipient]
                let finished = event.upload.finished ?? now
                let next = attempts.map { $0.next > now ? "in " + Table.span($0.next - now) : "now" }
                return [
                    event.id, Table.shortened(printable(event.upload.path ?? "")),
                    Table.span(now > finished ? now - finished : 0) + " ago", recipient.name,
                    "\(attempts?.count ?? 0)", next ?? "now", printable(attempts?.reason ?? ""),
                ]
            }
        }
        return Table.text([titles] + rows, flushRight: [2, 4, 5])
    }

    private static func json(_ events: [OwedEvent]) -> JSON {
        .array(
            events.map { event in
                let upload = event.upload
                return .object([
                    ("id", .string(event.id)), ("identifier", .string(upload.id.identifier)),
                    ("filename", .string(upload.id.filename.text)), ("path", .string(upload.path)),
                    ("finished", .number(upload.finished)),
                    (
                        "receivers",
                        .array(
                            event.owed.each.map { recipient in
                                let attempts = event.attempts[recipient]
                                return .object([
                                    ("receiver", .string(recipient.name)),
                                    ("attempts", .number(UInt64(attempts?.count ?? 0))),
                                    ("next", .number(attempts?.next)), ("error", .string(attempts?.reason)),
                                ])
                            })
                    ),
                ])
            })
    }
}
