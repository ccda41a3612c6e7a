import ArgumentParser
import Glibc
import Tokens
import UploadModel

/// `resumabled token`: prints an upload token.
struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Print an upload token, to try out the server.",
        discussion: "A site makes its tokens itself; the README has examples.")

    @Option(help: ArgumentHelp("The file with the secret or the private key.", valueName: "file"))
    var tokenKey: String

    @Option(help: ArgumentHelp("How long the token is valid (s, m, h, d).", valueName: "time"))
    var expires = TimeSpan(seconds: 3600)

    @Option(help: ArgumentHelp("The owner of the uploads (sub).", valueName: "name"))
    var subject: String?

    @Option(help: ArgumentHelp("The name of the server (aud).", valueName: "name"))
    var audience: String?

    @Option(
        help: ArgumentHelp("The largest file (max_size), in bytes or with K, M, G, T.", valueName: "size"))
    var maxSize: ByteCount?

    @Option(help: ArgumentHelp("The accepted types of files (types), such as .pdf,video/*.", valueName: "patterns"))
    var types: TypePolicy?

    @Option(help: ArgumentHelp("The folder for finished files, below the root (dir).", valueName: "path"))
    var directory: String?

    @Option(help: ArgumentHelp("How many files may be uploaded (uploads).", valueName: "number"))
    var uploads: Int?

    @Flag(help: "Allow removing unfinished uploads (delete).")
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
            // The store counts files by the token's ID.
            quota = TokenQuota(tokenID: String(UInt64.random(in: 0 ... .max), radix: 36), limit: uploads)
            if quota == nil { throw ValidationError("--uploads must be at least 1.") }
        }
        let permit = Permit(
            owner: owner, maximumFileSize: maxSize?.bytes, types: types, quota: quota, mayRemove: delete)
        let keys = try TokenKeys(path: tokenKey, for: .signing)
        print(
            try TokenSigner.token(
                permit, audience: audience, expires: UInt64(time(nil)) + expires.seconds, keys: keys))
    }
}
