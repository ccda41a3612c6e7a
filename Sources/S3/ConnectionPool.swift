import Linux

/// Connections between exchanges. A thread that blocks in an exchange has one for itself, so there are as many as
/// threads have needed at the same time. The one that was used last is used first: the others close when they are idle.
final class ConnectionPool: Sendable {
    private let idle = Lock<[Connection]>([])

    /// Calls `body` with a connection that no other thread uses.
    func withConnection<Result>(
        _ body: (Connection) throws(ExchangeError) -> Result
    ) throws(ExchangeError) -> Result {
        guard let connection = idle.withLock({ $0.popLast() }) ?? Connection() else { throw .failed("no memory") }
        defer { idle.withLock { $0.append(connection) } }
        return try body(connection)
    }
}
