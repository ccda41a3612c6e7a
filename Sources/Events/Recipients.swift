package import UploadStore

extension Recipients {
    /// The program of `--on-complete-exec`. Stores record these bits, so none may change its meaning.
    package static let program = Recipients(rawValue: 1)
    /// The address of `--on-complete-url`.
    package static let url = Recipients(rawValue: 2)

    /// The recipient's name in logs and tables.
    package var name: String {
        switch self {
        case .program: "exec"
        case .url: "url"
        default: "\(rawValue)"
        }
    }
}
