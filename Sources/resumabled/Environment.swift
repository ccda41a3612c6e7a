import ArgumentParser
import Glibc

/// Settings from the environment. Each option of `serve` has a variable: `RESUMABLED_` and the option's name in
/// capitals with `_` for `-`. `--max-file-size` has `RESUMABLED_MAX_FILE_SIZE`.
///
/// The values of variables are put before the typed arguments, as if they had been typed too. So there is one parser
/// with one set of rules and messages. An option needs no line in this file: its name is found as ArgumentParser finds
/// it, by a mirror on the command. If an option was typed, its variable is ignored. Other commands use the variables of
/// the options that they share with `serve` (`--root`, `--layout`).
struct Environment {
    private static let prefix = "RESUMABLED_"

    /// The environment's arguments and those that were typed.
    private(set) var arguments: [String]
    /// The options that were set by their variables, without the dashes.
    private var used: [String] = []

    /// - Parameters:
    ///   - typed: the arguments without the program's name.
    ///   - variables: as `NAME=value`.
    /// - Throws: `ValidationError` if a flag's variable means neither yes nor no.
    init(_ command: any ParsableCommand.Type, typed: [String], variables: [String]) throws {
        arguments = typed
        // Help is printed whatever is wrong with a variable.
        if typed.contains(where: { $0 == "--help" || $0 == "-h" }) { return }
        var chosen = command
        var depth = 0
        while depth < typed.count,
            let next = chosen.configuration.subcommands.first(where: { $0._commandName == typed[depth] })
        {
            chosen = next
            depth += 1
        }
        let names = Set(Environment.options(of: Serve.self).map(\.name))
        let known = Environment.options(of: chosen).filter { names.contains($0.name) }
        let values = Environment.values(variables)
        var added: [String] = []
        for option in known where !Environment.isTyped(option.name, in: typed) {
            guard let value = values[Environment.variable(option.name)] else { continue }
            used.append(option.name)
            switch option.kind {
            case .single: added.append("--\(option.name)=\(value)")
            case .repeated: added += value.split(whereSeparator: \.isWhitespace).map { "--\(option.name)=\($0)" }
            case .flag: if try Environment.isYes(value, option.name) { added.append("--\(option.name)") }
            }
        }
        arguments.insert(contentsOf: added, at: depth)
    }

    /// Returns a line for each variable that set an option named in `message`; nil if there is none.
    func blame(for message: String) -> String? {
        let blamed = used.filter { name in
            message.split(whereSeparator: { !($0.isLetter || $0.isNumber || $0 == "-") }).contains("--" + name)
        }
        guard !blamed.isEmpty else { return nil }
        return blamed.map { "--\($0) was set by \(Environment.variable($0)) in the environment." }
            .joined(separator: "\n")
    }

    /// Returns the names of variables that begin with the prefix and set no option of the command: most likely a typing
    /// error.
    static func unknown(_ variables: [String], to command: any ParsableCommand.Type) -> [String] {
        let known = Set(options(of: command).map { variable($0.name) })
        return values(variables).keys.filter { $0.hasPrefix(prefix) && !known.contains($0) }.sorted()
    }

    /// Returns the value of a variable with any name; nil if it is not set or empty.
    static func value(_ name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }

    /// An empty value sets nothing, so that a line of a settings file may have none.
    private static func values(_ variables: [String]) -> [String: String] {
        let pairs = variables.compactMap { variable -> (String, String)? in
            guard let equals = variable.firstIndex(of: "=") else { return nil }
            let value = String(variable[variable.index(after: equals)...])
            return value.isEmpty ? nil : (String(variable[..<equals]), value)
        }
        return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    }

    private static func isTyped(_ name: String, in typed: [String]) -> Bool {
        typed.prefix { $0 != "--" }.contains { $0 == "--\(name)" || $0.hasPrefix("--\(name)=") }
    }

    private static func isYes(_ value: String, _ name: String) throws -> Bool {
        switch value.lowercased() {
        case "1", "true", "yes", "on": return true
        case "0", "false", "no", "off": return false
        default: throw ValidationError("\(variable(name)) must be yes or no, not '\(value)'.")
        }
    }

    private static func variable(_ option: String) -> String {
        prefix + option.uppercased().split(separator: "-").joined(separator: "_")
    }

    // MARK: - The options

    private struct Setting {
        var name: String
        var kind: SettingKind
    }

    /// Returns the options of a command and its groups, in the order of their declarations.
    private static func options(of command: any ParsableArguments.Type) -> [Setting] {
        Mirror(reflecting: command.init()).children.flatMap { child -> [Setting] in
            if let group = child.value as? any GroupDeclaration { return options(of: group.content) }
            guard let declared = child.value as? any SettingDeclaration, let label = child.label else { return [] }
            // A property wrapper is stored under the property's name with an underscore in front.
            return [Setting(name: dashed(label.dropFirst()), kind: declared.kind)]
        }
    }

    /// Writes a property's name as ArgumentParser does: `maxFileSize` becomes `max-file-size`, `beginURL` `begin-url`.
    private static func dashed(_ label: Substring) -> String {
        let letters = Array(label)
        return letters.indices.map { index in
            let letter = letters[index]
            let startsWord =
                letter.isUppercase && index > 0
                && (!letters[index - 1].isUppercase
                    || index + 1 < letters.count && letters[index + 1].isLowercase)
            return (startsWord ? "-" : "") + letter.lowercased()
        }.joined()
    }
}

/// How an option takes the value of a variable.
private enum SettingKind {
    /// The value as it is.
    case single
    /// Several values, with white space between them.
    case repeated
    /// Yes or no.
    case flag
}

private protocol SettingDeclaration {
    var kind: SettingKind { get }
}

extension Option: SettingDeclaration {
    fileprivate var kind: SettingKind { Value.self is any RangeReplaceableCollection.Type ? kindOfCollection : .single }
    /// A string is a collection too.
    private var kindOfCollection: SettingKind { Value.self is any StringProtocol.Type ? .single : .repeated }
}

extension Flag: SettingDeclaration {
    fileprivate var kind: SettingKind { .flag }
}

private protocol GroupDeclaration {
    var content: any ParsableArguments.Type { get }
}

extension OptionGroup: GroupDeclaration {
    fileprivate var content: any ParsableArguments.Type { Value.self }
}
