import Logging

/// The ID of the request that a thread is answering. Every log message that is written meanwhile carries it. It is
/// nginx's `$request_id`, so the access log can have it too.
enum RequestName {
    @TaskLocal private static var current = ""

    /// Does `work` for a request of that ID.
    static func with<Result>(_ name: String, _ work: () -> Result) -> Result {
        $current.withValue(name, operation: work)
    }

    /// Adds the ID to log messages. Adds nothing outside of requests, or if the web server sent no ID.
    static let provider = Logger.MetadataProvider { current.isEmpty ? [:] : ["request": "\(current)"] }
}
