import Glibc
import HTTP
import Linux
import Logging
import UploadModel
import UploadService
import UploadStore

/// Logs each upload that is begun, finished, refused or removed. Chunks are not logged.
struct UploadLog: Sendable {
    private let log: Logger
    private let refused = RecentRefusals()

    init(_ log: Logger) {
        self.log = log
    }

    func record(_ event: StoreEvent) {
        switch event {
        case .begun(let upload):
            log.info("upload begun", metadata: facts(upload))
        case .finished(let upload), .received(let upload):
            let seconds = upload.seconds
            log.info(
                "upload finished",
                metadata: facts(upload).merging(
                    [
                        "path": "\(upload.path ?? "")", "seconds": .stringConvertible(seconds),
                        "rate": .stringConvertible((upload.size ?? 0) / max(seconds, 1)),
                    ], uniquingKeysWith: { $1 }))
        case .removed(let upload, let cause):
            let words =
                switch cause {
                case .expired: "upload expired"
                case .givenUp: "upload given up"
                case .superseded: "upload superseded"
                case .lost: "upload lost"
                case .space: "upload given up for lack of space"
                }
            log.log(level: cause == .lost ? .error : .info, "\(words)", metadata: facts(upload))
        case .forgotten(let upload):
            log.debug("record expired", metadata: facts(upload))
        case .recovered(let upload, let lostRanges):
            log.notice(
                "upload recovered",
                metadata: facts(upload).merging(
                    ["lost": .stringConvertible(UInt64(lostRanges))], uniquingKeysWith: { $1 }))
        case .scattered(let upload):
            log.warning(
                "upload has too many separate ranges: chunks that touch none of them have to wait",
                metadata: facts(upload))
        case .notice(let text):
            log.notice("\(text)")
        }
    }

    /// Logs a refusal, once for each file: a client may send several chunks before it learns that the file is refused,
    /// and a client that ignores the answer sends them all.
    func record(_ report: RequestReport) {
        guard let reason = report.refusal else { return }
        let file = report.file
        let key = [report.request.remoteAddress, reason.rawValue, file?.name ?? "", file?.size.map(String.init) ?? ""]
        guard refused.isNew(key) else { return }
        var facts: Logger.Metadata = ["reason": "\(reason.rawValue)", "line": "\(report.line)"]
        if let name = file?.name { facts["name"] = "\(name)" }
        if let size = file?.size { facts["size"] = .stringConvertible(size) }
        facts["client"] = "\(report.request.remoteAddress)"
        log.info("upload refused", metadata: facts)
    }

    private func facts(_ upload: UploadSummary) -> Logger.Metadata {
        var facts: Logger.Metadata = ["name": "\(upload.id.filename)", "held": .stringConvertible(upload.held)]
        if let size = upload.size { facts["size"] = .stringConvertible(size) }
        return facts
    }
}

extension UploadSummary {
    /// The time from the beginning to the final name, or to the last change, in seconds.
    var seconds: UInt64 {
        let end = finished ?? touched
        return end > begun ? end - begun : 0
    }
}

/// Remembers the refusals of the last minutes.
final class RecentRefusals: Sendable {
    private static let seconds = 600
    /// How many refusals are remembered. At the limit all are forgotten, so a line may come twice.
    private static let capacity = 4096
    private let known = Lock<[[String]: Int]>([:])

    /// Returns false if the same refusal was passed in the last minutes.
    func isNew(_ refusal: [String]) -> Bool {
        let now = time(nil)
        return known.withLock { known in
            if let last = known[refusal], now - last < RecentRefusals.seconds { return false }
            if known.count >= RecentRefusals.capacity { known.removeAll(keepingCapacity: true) }
            known[refusal] = now
            return true
        }
    }
}
