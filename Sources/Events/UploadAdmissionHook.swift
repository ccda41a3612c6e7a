import Glibc
import Linux
package import Logging
package import UploadModel
package import UploadStore

/// Asks a site whether an upload may be begun, before anything of it is stored.
///
/// The site's answer is kept for a moment. The first chunks of an upload arrive together: one of them asks, and the
/// others wait for its answer. Each of them holds a thread meanwhile. So the site has a short time limit, and only so
/// many threads may wait; the rest of them stay free for other requests, and clients that would have to wait get
/// `retry`.
package final class UploadAdmissionHook: Sendable {
    /// The time limit of a request to the site, in seconds.
    package static let seconds = 3
    /// How long an answer is kept, and how long the lack of one, in milliseconds; and how many are kept.
    private static let memory = (answer: 10_000 as UInt64, trouble: 1000 as UInt64, count: 1024)

    private enum Verdict {
        case asking
        case admitted(until: UInt64)
        case refused(String, until: UInt64)
        case undecided(until: UInt64)

        var until: UInt64 {
            switch self {
            case .asking: .max
            case .admitted(let until), .refused(_, let until), .undecided(let until): until
            }
        }

        var isAsking: Bool { if case .asking = self { true } else { false } }
    }

    private struct State {
        var verdicts: [UploadKey: Verdict] = [:]
        /// How many threads wait for an answer.
        var waiting = 0
    }

    /// How a request for admission continues.
    private enum Turn {
        case ask
        case known(Verdict)
        case tooManyWaiting
    }

    private let site: WebhookEndpoint
    private let maximumWaiting: Int
    private let log: Logger
    private let state = Monitor(State())

    /// How many threads wait for the site.
    var waiting: Int { state.change { $0.waiting } }

    /// - Parameter maximumWaiting: how many threads may wait for the site at a time; 1 and up.
    package init(_ site: WebhookEndpoint, maximumWaiting: Int, log: Logger) {
        HTTPPost.setUp()
        self.site = site
        self.maximumWaiting = maximumWaiting
        self.log = log
    }

    /// Called by the store before it begins an upload (`Admission`).
    ///
    /// - Throws: `StoreError.notAdmitted` with the site's text, or `.undecided` if there is no answer now.
    package func admit(_ chunk: ChunkRequest) throws(StoreError) {
        let key = UploadKey(chunk.upload)
        switch turn(key) {
        case .known(let verdict):
            try pass(verdict)
        case .tooManyWaiting:
            throw .undecided
        case .ask:
            let verdict = ask(chunk)
            state.change { state in
                state.waiting -= 1
                keep(verdict, of: key, in: &state.verdicts)
            }
            try pass(verdict)
        }
    }

    private func pass(_ verdict: Verdict) throws(StoreError) {
        switch verdict {
        case .asking, .undecided: throw .undecided
        case .refused(let text, _): throw .notAdmitted(text)
        case .admitted: return
        }
    }

    /// Waits while another thread asks about the same upload.
    private func turn(_ key: UploadKey) -> Turn {
        var isWaiting = false
        return state.wait(
            for: { state -> Turn? in
                let now = milliseconds()
                let known = state.verdicts[key].flatMap { $0.until > now ? $0 : nil }
                if let known, !known.isAsking {
                    if isWaiting { state.waiting -= 1 }
                    return .known(known)
                }
                if !isWaiting {
                    guard state.waiting < maximumWaiting else { return .tooManyWaiting }
                    state.waiting += 1
                    isWaiting = true
                }
                guard known == nil else { return nil }
                state.verdicts[key] = .asking
                return .ask
            })
    }

    private func keep(_ verdict: Verdict, of key: UploadKey, in verdicts: inout [UploadKey: Verdict]) {
        if verdicts.count >= UploadAdmissionHook.memory.count {
            let now = milliseconds()
            verdicts = verdicts.filter { $0.value.until > now }
            // If all are fresh, one that no thread waits for makes room; its upload is asked about again.
            if verdicts.count >= UploadAdmissionHook.memory.count,
                let other = verdicts.first(where: { !$0.value.isAsking })
            {
                verdicts[other.key] = nil
            }
        }
        verdicts[key] = verdict
    }

    private func ask(_ chunk: ChunkRequest) -> Verdict {
        let time = UInt64(time(nil))
        let id = "begin-" + UInt64.random(in: 0 ... .max).hexDigits
        let trouble: String
        do {
            let answer = try site.post(CloudEvent(begun: chunk, id: id, time: time), now: time, stop: nil)
            switch answer.status {
            case 200..<300:
                return .admitted(until: milliseconds() + UploadAdmissionHook.memory.answer)
            case 400..<500 where ![408, 425, 429].contains(answer.status):
                let words = oneLine(answer.text ?? "")
                log.info(
                    "upload not admitted",
                    metadata: ["name": "\(chunk.upload.filename)", "status": "\(answer.status)", "line": "\(words)"])
                return .refused(
                    words.isEmpty ? "The site does not take this file" : words,
                    until: milliseconds() + UploadAdmissionHook.memory.answer)
            default:
                trouble = "answered \(answer.status)"
            }
        } catch {
            if case .unreachable(let reason) = error { trouble = oneLine(reason) } else { trouble = "broken off" }
        }
        log.warning("the site could not be asked about an upload", metadata: ["reason": "\(trouble)"])
        return .undecided(until: milliseconds() + UploadAdmissionHook.memory.trouble)
    }
}
