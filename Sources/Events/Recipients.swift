package import UploadStore

extension Recipients {
    /// The program of `--on-complete-exec`. The bits are in the journals of finished uploads: none changes its meaning.
    package static let program = Recipients(rawValue: 1)
    /// The address of `--on-complete-url`.
    package static let url = Recipients(rawValue: 2)

    /// What a recipient is called in logs and tables.
    package var name: String {
        switch self {
        case .program: "exec"
        case .url: "url"
        default: "\(rawValue)"
        }
    }
}
