import ArgumentParser
import Glibc

/// The program, with a command for each task.
@main
struct Resumabled: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resumabled",
        abstract: "Receives large uploads over unreliable networks, as a FastCGI server behind nginx.",
        version: "0.1.0",
        subcommands: [
            Serve.self, Check.self, EventsCommand.self, Status.self, Sweep.self, TokenCommand.self, Verify.self,
        ])

    /// Does what ArgumentParser's `main` does, with options from the environment as well.
    static func main() {
        var environment: Environment?
        do {
            let settings = try Environment(
                Resumabled.self, typed: Array(CommandLine.arguments.dropFirst()), variables: environmentVariables())
            environment = settings
            var command = try parseAsRoot(settings.arguments)
            try command.run()
        } catch {
            if !exitCode(for: error).isSuccess, let blame = environment?.blame(for: message(for: error)) {
                printError(blame)
            }
            exit(withError: error)
        }
    }
}

/// Returns all variables of the environment, as `NAME=value`.
func environmentVariables() -> [String] {
    var variables: [String] = []
    var next = environ
    while let variable = next.pointee {
        variables.append(String(cString: variable))
        next += 1
    }
    return variables
}
