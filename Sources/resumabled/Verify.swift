import ArgumentParser
import JSON
import UploadModel
import UploadStore

/// `resumabled verify`: checks what the store holds.
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check all journals and data files against each other.",
        discussion: """
            Reads all unfinished uploads and compares their bytes with the checksums in their journals. Changes \
            nothing, and may run beside the server. Ends with status 1 if anything is wrong.
            """)

    @OptionGroup var existing: ExistingStore

    @Flag(help: "Print a JSON object.")
    var json = false

    func run() throws {
        guard let store = try existing.open() as? any VerifiableStore else {
            throw ValidationError("verify needs --root: the engine of a bucket compares checksums by itself.")
        }
        let report = try store.verify()
        if json {
            print(Verify.json(report))
        } else {
            for finding in report.findings {
                let upload = finding.upload.map { " (\(printable($0.filename.text)), \(printable($0.identifier)))" }
                print("\(finding.object)\(upload ?? ""): \(finding.text)")
            }
            print("uploads: \(report.uploads), bytes compared: \(report.bytes), findings: \(report.findings.count)")
        }
        if !report.findings.isEmpty { throw ExitCode.failure }
    }

    private static func json(_ report: VerifyReport) -> JSON {
        .object([
            ("uploads", .number(UInt64(report.uploads))), ("bytes", .number(report.bytes)),
            (
                "findings",
                .array(
                    report.findings.map { finding in
                        .object([
                            ("file", .string(finding.object)),
                            ("identifier", .string(finding.upload?.identifier)),
                            ("filename", .string(finding.upload?.filename.text)),
                            ("text", .string(finding.text)),
                        ])
                    })
            ),
        ])
    }
}
