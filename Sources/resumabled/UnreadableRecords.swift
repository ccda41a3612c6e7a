import ArgumentParser
import UploadStore

/// The records of uploads that a command cannot read, for example because they belong to another user. What it prints
/// is not all that there is.
struct UnreadableRecords {
    private var count = 0
    private var first: StoreError?

    mutating func add(_ error: StoreError) {
        count += 1
        if first == nil { first = error }
    }

    /// One line for the operator; nil if all records could be read.
    var summary: String? { first.map { "cannot read the records of uploads: \(count), first: \($0)" } }

    /// Prints the summary to standard error, and ends the command with status 1.
    ///
    /// - Throws: `ExitCode` if there are any.
    func report() throws {
        guard let summary else { return }
        printError(summary)
        throw ExitCode(1)
    }
}
