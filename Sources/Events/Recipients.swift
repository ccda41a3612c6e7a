public import UploadStore

extension Recipients {
    /// The program of `--on-complete-exec`. The bits are in the journals of finished uploads: none changes its meaning.
    public static let program = Recipients(rawValue: 1)
    /// The address of `--on-complete-url`.
    public static let url = Recipients(rawValue: 2)

    /// What a recipient is called in logs and tables.
    public var name: String {
        switch self {
        case .program: "exec"
        case .url: "url"
        default: "\(rawValue)"
        }
    }
}
