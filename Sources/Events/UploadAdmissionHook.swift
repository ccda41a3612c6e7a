import Glibc
import Linux
package import Logging
package import UploadModel
package import UploadStore

/// Asks a site whether an upload may be begun, before anything is made of it.
///
/// Its answer is remembered for a moment, so that all first chunks of one upload, which come together, ask once: the
/// others wait for the one that asks. A worker waits meanwhile, so the site has little time.
package final class UploadAdmissionHook: Sendable {
    /// How long the site has, in seconds.
    package static let seconds = 3
    /// How long its answer holds, and how many are remembered.
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
    }

    private let site: WebhookEndpoint
    private let log: Logger
    private let verdicts = Monitor<[UploadKey: Verdict]>([:])

    package init(_ site: WebhookEndpoint, log: Logger) {
        HTTPPost.setUp()
        self.site = site
        self.log = log
    }

    /// What the store asks (`Admission`).
    package func admit(_ chunk: ChunkRequest) throws(StoreError) {
        let key = UploadKey(chunk.upload)
        let known: Verdict = verdicts.wait(
            for: { verdicts in
                if let known = verdicts[key], known.until > milliseconds() {
                    if case .asking = known { return nil }
                    return known
                }
                verdicts[key] = .asking
                return .asking
            })
        var verdict = known
        if case .asking = known {
            verdict = ask(chunk)
            verdicts.change { [verdict] verdicts in
                if verdicts.count >= UploadAdmissionHook.memory.count {
                    let now = milliseconds()
                    verdicts = verdicts.filter { $0.value.until > now }
                    // Where all are fresh, one has to go that nobody waits for: his upload is asked for again.
                    if verdicts.count >= UploadAdmissionHook.memory.count,
                        let other = verdicts.first(where: { $0.value.until < .max })
                    {
                        verdicts[other.key] = nil
                    }
                }
                verdicts[key] = verdict
            }
        }
        switch verdict {
        case .asking, .undecided: throw .undecided
        case .refused(let words, _): throw .notAdmitted(words)
        case .admitted: return
        }
    }

    private func ask(_ chunk: ChunkRequest) -> Verdict {
        let time = UInt64(time(nil))
        let digits = String(UInt64.random(in: 0 ... .max), radix: 16)
        let id = "begin-" + String(repeating: "0", count: 16 - digits.count) + digits
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
