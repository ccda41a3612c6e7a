import Glibc
import Linux

extension Credentials {
    /// Finds static credentials in the places where AWS's tools look for them.
    ///
    /// - Parameters:
    ///   - file: a file that was named explicitly, which takes precedence over the environment; nil: none was.
    ///   - variable: returns the value of a variable of the environment.
    /// - Returns: those in `file`, else `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, else
    ///   those in `AWS_SHARED_CREDENTIALS_FILE` or `~/.aws/credentials`. In a file, `AWS_PROFILE` names the section.
    package static func find(
        file: String?, variable: (String) -> String?
    ) throws(CredentialsError) -> Credentials {
        let profile = variable("AWS_PROFILE") ?? "default"
        if let file { return try read(file, profile: profile) }
        if let credentials = try fromEnvironment(variable) { return credentials }
        if let shared = variable("AWS_SHARED_CREDENTIALS_FILE") { return try read(shared, profile: profile) }
        guard let home = variable("HOME") else { throw .none }
        let shared = "\(home)/.aws/credentials"
        guard access(shared, F_OK) == 0 else { throw .none }
        return try read(shared, profile: profile)
    }

    private static func fromEnvironment(_ variable: (String) -> String?) throws(CredentialsError) -> Credentials? {
        let names = (access: "AWS_ACCESS_KEY_ID", secret: "AWS_SECRET_ACCESS_KEY")
        switch (variable(names.access), variable(names.secret)) {
        case (nil, nil): return nil
        case (.some, nil): throw .half(set: names.access, missing: names.secret)
        case (nil, .some): throw .half(set: names.secret, missing: names.access)
        case (let accessKey?, let secretKey?):
            return Credentials(
                accessKey: accessKey, secretKey: secretKey, sessionToken: variable("AWS_SESSION_TOKEN"))
        }
    }

    /// Reads a section of a file in the format of AWS's shared credentials file.
    static func read(_ file: String, profile: String) throws(CredentialsError) -> Credentials {
        guard let stream = fopen(file, "re") else { throw .unreadable(file: file, reason: errorText(errno)) }
        defer { fclose(stream) }
        var bytes = [UInt8](repeating: 0, count: 256 << 10)
        let count = fread(&bytes, 1, bytes.count, stream)
        guard ferror(stream) == 0 else { throw .unreadable(file: file, reason: errorText(errno)) }
        let text = String(decoding: bytes.prefix(count), as: UTF8.self)
        guard let entries = section(profile, of: text) else { throw .noProfile(profile, file: file) }
        func entry(_ name: String) throws(CredentialsError) -> String {
            guard let value = entries[name], !value.isEmpty else {
                throw .noEntry(name, profile: profile, file: file)
            }
            return value
        }
        let token = entries["aws_session_token"] ?? ""
        return Credentials(
            accessKey: try entry("aws_access_key_id"), secretKey: try entry("aws_secret_access_key"),
            sessionToken: token.isEmpty ? nil : token)
    }

    /// The entries of a section, by their names in lower case; nil if there is no such section. Comments start a line
    /// with `#` or `;`.
    private static func section(_ wanted: String, of text: String) -> [String: String]? {
        var entries: [String: String]?
        var isWanted = false
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.trimmed
            if line.hasPrefix("["), line.hasSuffix("]") {
                isWanted = line.dropFirst().dropLast().trimmed == wanted
                if isWanted { entries = entries ?? [:] }
            } else if isWanted, !line.hasPrefix("#"), !line.hasPrefix(";"), let equals = line.firstIndex(of: "=") {
                entries?[line[..<equals].trimmed.lowercased()] = String(line[line.index(after: equals)...].trimmed)
            }
        }
        return entries
    }
}

extension StringProtocol where SubSequence == Substring {
    /// Without the white space at both ends.
    var trimmed: Substring {
        let start = drop(while: \.isWhitespace)
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return start[...last]
    }
}
