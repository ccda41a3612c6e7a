import ArgumentParser
import UploadModel
import UploadStore

/// `resumabled sweep`: removes expired uploads and records now.
struct Sweep: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove expired uploads and records.",
        discussion: """
            The server does this by itself, too. Uploads that a client is sending to stay. Of finished files, only the \
            records are removed, never the files.
            """)

    @OptionGroup var existing: ExistingStore

    @Option(
        help: ArgumentHelp("The age since the last chunk at which uploads are removed (s, m, h, d).", valueName: "time")
    )
    var expire = TimeSpan(seconds: 7 * 86_400)

    func run() throws {
        let report = try existing.open(expire: expire, changing: true).sweep()
        for upload in report.removed {
            let what = upload.path == nil ? "upload" : "record of"
            print("removed \(what) \(printable(upload.id.filename.text)), \(printable(upload.id.identifier))")
        }
        for failure in report.failures { printError("cannot sweep: \(failure)") }
        if !report.failures.isEmpty { throw ExitCode.failure }
    }
}
