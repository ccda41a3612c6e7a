import ArgumentParser
import Glibc
import Linux
import Logging
import UploadModel
import UploadStore

// The one place where the program chooses its store. Everything else goes through the protocols in
// UploadStore/Protocols.

extension ServeOptions {
    /// Opens the store that the options describe, and makes it first if there is none.
    ///
    /// - Parameters:
    ///   - openUploads: how many uploads may stay open between requests.
    ///   - recipients: who is to be told of files that are finished from now on.
    ///   - observe: receives what happens to uploads.
    ///   - admit: decides whether an upload may be begun.
    /// - Throws: why the store cannot be opened.
    func openStore(
        openUploads: Int, recipients: Recipients, log: Logger, observe: @escaping StoreObserver,
        admit: @escaping Admission
    ) throws -> any ManagedStore {
        let settings = store.settings(openUploads: openUploads, recipients: recipients)
        guard let root else {
            return try objects.openStore(
                settings, eventSeconds: events.eventTimeout.seconds, log: log, observe: observe, admit: admit)
        }
        do {
            return try ReopeningStore(path: root, observe: observe) { root throws(StoreError) in
                try LocalStore(
                    root: root, boot: .current, settings: settings, now: { UInt64(time(nil)) },
                    elapsed: { MonotonicClock.seconds }, observe: observe, admit: admit)
            }
        } catch {
            throw UnusableRoot(root: root, cause: "\(error)")
        }
    }

    /// Examines the place where the store is, or would be made.
    func diagnoseStore(_ root: String) -> [RootFinding] { LocalStore.diagnose(root: root) }
}

/// The reason why the server does not start with its root.
private struct UnusableRoot: Error, CustomStringConvertible {
    let root: String
    let cause: String

    var description: String {
        "The root \(root) cannot be used: \(cause). The server's user needs permission to enter and write it."
    }
}

extension ExistingStore {
    /// Opens a store that a server has made.
    ///
    /// - Parameters:
    ///   - expire: how long unfinished uploads and records of finished ones are kept.
    ///   - changing: true if the command changes something. Then the engine of a bucket is tested first, as by `serve`.
    /// - Throws: `ValidationError` if there is no store, or why it cannot be opened.
    func open(
        expire: TimeSpan = TimeSpan(seconds: 0), changing: Bool = false
    ) throws -> any ManagedStore {
        guard let root else {
            let settings = StoreSettings(layout: layout, expire: expire.seconds)
            return try changing ? objects.openTested(settings) : objects.openForReading(settings)
        }
        let directory = try LinuxDirectory.existing(root)
        guard try directory.existingFolder(LocalStore.stateFolder) != nil else {
            throw ValidationError("There is no store in \(root).")
        }
        let settings = StoreSettings(layout: layout, expire: expire.seconds)
        return try LocalStore(root: directory, boot: .current, settings: settings) { UInt64(time(nil)) }
    }

    /// Opens the events of a store that a server has made.
    ///
    /// - Parameter changing: true if the command changes something.
    /// - Throws: `ValidationError` if there is no store or it records no events, or why it cannot be opened.
    func openOutbox(changing: Bool) throws -> any EventOutbox {
        guard let store = try open(changing: changing) as? any EventStore else {
            throw ValidationError("This store records no events.")
        }
        return store.outbox
    }
}
