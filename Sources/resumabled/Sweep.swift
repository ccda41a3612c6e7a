import ArgumentParser
import UploadModel
import UploadStore

/// `resumabled sweep`: removes what has expired, now.
struct Sweep: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove uploads that nobody has sent to for a while.",
        discussion: """
            The server does the same by itself. Uploads that somebody is sending to stay; finished files are never \
            touched, only the records of them.
            """)

    @OptionGroup var existing: ExistingStore

    @Option(
        help: ArgumentHelp("Remove what nobody has sent to for so long (s, m, h, d).", valueName: "time"))
    var expire = TimeSpan(seconds: 7 * 86_400)

    func run() throws {
        let report = try existing.open(expire: expire).sweep()
        for upload in report.removed {
            let what = upload.path == nil ? "upload" : "record of"
            print("removed \(what) \(printable(upload.id.filename.text)), \(printable(upload.id.identifier))")
        }
        for failure in report.failures { printError("cannot sweep: \(failure)") }
        if !report.failures.isEmpty { throw ExitCode.failure }
    }
}
