import ArgumentParser

/// The program: one command a task.
@main
struct Resumabled: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resumabled",
        abstract: "Takes large uploads over bad networks, as a FastCGI program behind nginx.",
        version: "0.1.0",
        subcommands: [Serve.self, Status.self, Sweep.self, Verify.self])
}
