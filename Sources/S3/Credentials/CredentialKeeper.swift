import Linux

/// Has the current credentials for all threads, and gets new ones from their source in time.
///
/// From five minutes before the end of the credentials, one thread at a time asks the source, and the others go on with
/// the old ones. If that fails, the old ones are used as long as they are valid, and the source is asked again after
/// five seconds. Threads wait only if there are no valid credentials.
package final class CredentialKeeper: Sendable {
    package let source: any CredentialSource
    private let state: Monitor<State>
    /// Unix seconds.
    private let now: @Sendable () -> UInt64
    private let report: @Sendable (CredentialReport) -> Void

    /// How long before their end credentials are renewed, in seconds. A metadata service has new ones by then.
    static let margin: UInt64 = 300
    /// How long the source is left alone after it was asked, in seconds.
    static let pause: UInt64 = 5

    private struct State {
        var current: Credentials
        /// Whether a thread is asking the source.
        var isLoading = false
        /// When the source was asked last, in Unix seconds; nil if only the search has asked it.
        var asked: UInt64?
        /// Why that failed.
        var failure: CredentialsError?
        /// The last report of a series of failures.
        var reported: CredentialReport?
    }

    private enum Step {
        case use(Credentials)
        case fail(CredentialsError)
        case load
    }

    init(
        _ source: any CredentialSource, _ first: Credentials, now: @escaping @Sendable () -> UInt64,
        report: @escaping @Sendable (CredentialReport) -> Void = { _ in }
    ) {
        self.source = source
        self.now = now
        self.report = report
        state = Monitor(State(current: first))
    }

    /// - Parameters:
    ///   - now: returns the time in Unix seconds.
    ///   - report: receives the news for an operator.
    /// - Throws: why there are no credentials.
    package convenience init(
        _ search: CredentialSearch, now: @escaping @Sendable () -> UInt64,
        report: @escaping @Sendable (CredentialReport) -> Void = { _ in }
    ) throws(CredentialsError) {
        let (source, first) = try search.find()
        self.init(source, first, now: now, report: report)
    }

    /// For credentials that do not change.
    package convenience init(_ fixed: Credentials) {
        self.init(FixedCredentials(credentials: fixed, description: "the program"), fixed, now: { 0 })
    }

    /// Returns credentials that are valid. Blocks while the source is asked, if this thread asks it or if there are no
    /// valid ones.
    ///
    /// - Throws: why there are none.
    package func current() throws(CredentialsError) -> Credentials {
        switch state.wait(for: next) {
        case .use(let credentials): return credentials
        case .fail(let error): throw error
        case .load: return try load()
        }
    }

    /// Decides what a thread does that needs credentials; nil: it waits.
    private func next(_ state: inout State) -> Step? {
        let time = now()
        if state.current.isValid(at: time + CredentialKeeper.margin) { return .use(state.current) }
        let isValid = state.current.isValid(at: time)
        if state.isLoading { return isValid ? .use(state.current) : nil }
        guard mayAsk(state, time) else {
            return isValid ? .use(state.current) : .fail(state.failure ?? ended)
        }
        state.isLoading = true
        return .load
    }

    private func mayAsk(_ state: State, _ time: UInt64) -> Bool {
        guard source.mayChange else { return false }
        // The clock may have been set back.
        return state.asked.map { time < $0 || time >= $0 + CredentialKeeper.pause } ?? true
    }

    private var ended: CredentialsError {
        .failed(service: "\(source)", reason: "those that it has have ended by the clock of this machine")
    }

    /// Gets other credentials after the engine has refused these.
    ///
    /// - Returns: false if there are no others.
    func renew(after refused: Credentials) -> Bool {
        guard source.mayChange else { return false }
        let step = state.wait { state -> Step? in
            if state.current != refused { return .use(state.current) }
            if state.isLoading { return nil }
            guard mayAsk(state, now()) else { return .fail(state.failure ?? ended) }
            state.isLoading = true
            return .load
        }
        switch step {
        case .use: return true
        case .fail: return false
        case .load: return (try? load()).map { $0 != refused } ?? false
        }
    }

    /// Asks the source, after `isLoading` was set.
    ///
    /// - Returns: the new credentials, or the old ones if there are no new ones and the old ones are valid.
    private func load() throws(CredentialsError) -> Credentials {
        let result = ask()
        let time = now()
        let (outcome, news) = state.change { state -> (Result<Credentials, CredentialsError>, CredentialReport?) in
            state.isLoading = false
            state.asked = time
            switch result {
            case .success(let credentials):
                (state.current, state.failure) = (credentials, nil)
                defer { state.reported = nil }
                return (result, state.reported == nil ? nil : .renewed)
            case .failure(let error):
                let isValid = state.current.isValid(at: time)
                let report = isValid ? CredentialReport.failed(error) : .ended(error)
                let isNew = state.reported.map { !$0.isSameKind(as: report) } ?? true
                (state.failure, state.reported) = (error, report)
                return (isValid ? .success(state.current) : result, isNew ? report : nil)
            }
        }
        if let news { report(news) }
        return try outcome.get()
    }

    private func ask() -> Result<Credentials, CredentialsError> {
        do throws(CredentialsError) {
            let credentials = try source.load()
            return credentials.isValid(at: now()) ? .success(credentials) : .failure(ended)
        } catch { return .failure(error) }
    }
}

/// News of credentials for an operator. Of a series of failures, only the first of each kind is reported.
package enum CredentialReport: Sendable, Equatable {
    /// The source has failed. The old credentials have not ended.
    case failed(CredentialsError)
    /// The source has failed, and there are no valid credentials.
    case ended(CredentialsError)
    /// There are new credentials, after a report of a failure.
    case renewed

    fileprivate func isSameKind(as other: CredentialReport) -> Bool {
        switch (self, other) {
        case (.failed, .failed), (.ended, .ended), (.renewed, .renewed): true
        default: false
        }
    }
}
