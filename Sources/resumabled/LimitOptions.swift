import ArgumentParser
import Multipart
import UploadModel
import UploadService

/// Limits on what clients may send.
struct LimitOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The largest file, in bytes or with K, M, G, T.", valueName: "size"))
    var maxFileSize = ByteCount(1 << 40)

    @Option(
        help: ArgumentHelp(
            "The largest chunk. The last chunk of a file may have up to twice as much, and a request 64K more.",
            valueName: "size"))
    var maxChunkSize = ByteCount(256 << 20)

    @Option(help: ArgumentHelp("How many unfinished uploads there may be; 0: any number.", valueName: "count"))
    var maxUploads = 10_000

    @Option(help: ArgumentHelp("How many unfinished uploads a client may have; 0: any number.", valueName: "count"))
    var maxUploadsPerClient = 1000

    @Option(
        help: ArgumentHelp(
            "How many uploads a client may begin a minute, with the folders created for them; 0: any number.",
            valueName: "count"))
    var maxNewUploads = 0

    @Option(help: ArgumentHelp("How many parameters a request may have.", valueName: "count"))
    var maxParameters = 128

    @Option(help: ArgumentHelp("How many bytes the names and values of all parameters may have.", valueName: "size"))
    var maxParameterSize = ByteCount(64 << 10)

    @Option(help: ArgumentHelp("How many header lines a part of a form may have.", valueName: "count"))
    var maxHeaderLines = 32

    func validate() throws {
        guard (1...1 << 40).contains(maxChunkSize.bytes) else {
            throw ValidationError("--max-chunk-size must be from 1 to 1T.")
        }
        let counts = [
            ("--max-uploads", maxUploads), ("--max-uploads-per-client", maxUploadsPerClient),
            ("--max-new-uploads", maxNewUploads),
        ]
        for (name, count) in counts where !(0...1_000_000).contains(count) {
            throw ValidationError("\(name) must be from 0 to 1000000.")
        }
        // Resumable.js sends nine parameters.
        guard (16...10_000).contains(maxParameters) else {
            throw ValidationError("--max-parameters must be from 16 to 10000.")
        }
        guard (4 << 10...16 << 20).contains(maxParameterSize.bytes) else {
            throw ValidationError("--max-parameter-size must be from 4K to 16M.")
        }
        guard (2...1000).contains(maxHeaderLines) else {
            throw ValidationError("--max-header-lines must be from 2 to 1000.")
        }
    }

    var quota: UploadLimits {
        UploadLimits(uploads: maxUploads, uploadsPerClient: maxUploadsPerClient, newPerMinute: maxNewUploads)
    }

    var parameters: ParameterLimits {
        ParameterLimits(count: maxParameters, bytes: Int(maxParameterSize.bytes))
    }

    /// The limits on a form, which has a part for each parameter and one for the file.
    var form: MultipartLimits {
        let bytes = Int(maxParameterSize.bytes)
        return MultipartLimits(
            parts: maxParameters + 1, headerLines: maxHeaderLines, fieldBytes: bytes, allFieldBytes: bytes)
    }
}
