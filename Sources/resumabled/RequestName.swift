import Logging

/// The name of the request that a thread is answering: what is logged meanwhile, by whatever room, carries it. It is
/// nginx's `$request_id`, which stands in the access log as well.
enum RequestName {
    @TaskLocal private static var current = ""

    /// Does something in the name of a request.
    static func with<Result>(_ name: String, _ work: () -> Result) -> Result {
        $current.withValue(name, operation: work)
    }

    /// For the log: nothing where the web server gave no name, or no request is at work.
    static let provider = Logger.MetadataProvider { current.isEmpty ? [:] : ["request": "\(current)"] }
}
