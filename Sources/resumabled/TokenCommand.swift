import ArgumentParser
import Glibc
import Tokens
import UploadModel

/// `resumabled token`: makes an upload token.
struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Print an upload token, to try the server out.",
        discussion: "A site makes its tokens itself; the README has examples.")

    @Option(help: ArgumentHelp("The file with the secret or private key, as `serve` has it.", valueName: "file"))
    var tokenKey: String

    @Option(help: ArgumentHelp("How long it is good (s, m, h, d).", valueName: "time"))
    var expires = TimeSpan(seconds: 3600)

    @Option(help: ArgumentHelp("Whose the uploads are (sub).", valueName: "name"))
    var subject: String?

    @Option(help: ArgumentHelp("The server that it is for (aud).", valueName: "name"))
    var audience: String?

    @Option(
        help: ArgumentHelp("The largest file (max_size), in bytes or with K, M, G, T.", valueName: "size"))
    var maxSize: ByteCount?

    @Option(help: ArgumentHelp("Which types of file (types), such as .pdf,video/*.", valueName: "patterns"))
    var types: TypePolicy?

    @Option(help: ArgumentHelp("The folder that finished files go to (dir), below the root.", valueName: "path"))
    var directory: String?

    @Option(help: ArgumentHelp("How many files (uploads).", valueName: "number"))
    var uploads: Int?

    @Flag(help: "Uploads under way may be given up (delete).")
    var delete = false

    func run() throws {
        let path = try directory.flatMap { try RelativePath($0, parameter: "--directory") }
        guard path?.text == directory else {
            throw ValidationError("--directory must be a plain path below the root, such as users/1.")
        }
        guard let owner = Owner(subject: subject ?? "", directory: path) else {
            throw ValidationError("--subject must have at most \(Owner.maximumSubjectLength) bytes.")
        }
        var quota: TokenQuota?
        if let uploads {
            // A name of its own, by which the files are counted.
            quota = TokenQuota(tokenID: String(UInt64.random(in: 0 ... .max), radix: 36), limit: uploads)
            if quota == nil { throw ValidationError("--uploads must be at least 1.") }
        }
        let permit = Permit(
            owner: owner, maximumFileSize: maxSize?.bytes, types: types, quota: quota, mayRemove: delete)
        let keys = try TokenKeys(path: tokenKey)
        print(
            try TokenSigner.token(
                permit, audience: audience, expires: UInt64(time(nil)) + expires.seconds, keys: keys))
    }
}
