import ArgumentParser
import UploadModel
import UploadStore

extension Durability: ExpressibleByArgument {}
extension Layout: ExpressibleByArgument {}
extension ConflictPolicy: ExpressibleByArgument {}
extension SizeChangePolicy: ExpressibleByArgument {}

/// Options of the store.
struct StoreOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The unit that survives a power cut: each completed file, or each chunk that was answered with 200.",
            valueName: "file|chunk"))
    var durability = Durability.file

    @Option(
        help: ArgumentHelp("How much of the disk must stay free, in bytes or with K, M, G, T.", valueName: "size"))
    var minFree = ByteCount(64 << 20)

    @Option(
        help: ArgumentHelp(
            "How much of the disk a client may reserve for bytes that have not come (5G, 10%); 0: any amount.",
            valueName: "size"))
    var maxReservedPerClient = DiskShare(.percent(10))

    @Option(
        help: ArgumentHelp(
            "Where finished files are put: all in one folder, under the client's path, or in a folder by identifier.",
            valueName: "flat|tree|identifier"))
    var layout = Layout.flat

    @Option(
        help: ArgumentHelp(
            "The policy for a finished file whose name is taken.", valueName: "rename|replace|refuse"))
    var onConflict = ConflictPolicy.rename

    @Option(
        help: ArgumentHelp(
            "The policy for a client that states another size for an unfinished upload.", valueName: "refuse|restart"))
    var onSizeChange = SizeChangePolicy.refuse

    @Option(
        help: ArgumentHelp(
            "After how long without a chunk an unfinished upload is removed (s, m, h, d); 0: never.", valueName: "time")
    )
    var expire = TimeSpan(seconds: 7 * 86_400)

    @Option(
        help: ArgumentHelp(
            "For how long a test of a finished file is answered with 200, if the client doesn't state when the file was "
                + "modified (s, m, h, d).", valueName: "time"))
    var finishedWindow = TimeSpan(seconds: 15 * 60)

    func settings(openUploads: Int, recipients: Recipients) -> StoreSettings {
        StoreSettings(
            durability: durability, minimumFree: minFree.bytes, maximumReserved: maxReservedPerClient.limit,
            layout: layout, onConflict: onConflict, onSizeChange: onSizeChange, expire: expire.seconds,
            finishedWindow: finishedWindow.seconds, recipients: recipients, openUploads: openUploads)
    }
}

/// The options of commands that open the store of a server: a root or a bucket.
struct ExistingStore: ParsableArguments {
    @Option(help: "The folder of finished files, as for `serve`.")
    var root: String?

    @Option(
        help: ArgumentHelp("Where finished files are put, as for `serve`.", valueName: "flat|tree|identifier"))
    var layout = Layout.flat

    @OptionGroup(title: "Options of a bucket")
    var objects: BucketOptions

    func validate() throws {
        guard (root == nil) != (objects.bucket == nil) else {
            throw ValidationError(root == nil ? "Give --root or --bucket." : "Give --root or --bucket, not both.")
        }
        guard root != "" else { throw ValidationError("--root must not be empty.") }
    }
}
