import Logging
import UploadModel
import UploadStore

/// Writes a line for each upload that was begun, finished or removed.
struct UploadLog: Sendable {
    private let log: Logger

    init(_ log: Logger) {
        self.log = log
    }

    func record(_ event: StoreEvent) {
        switch event {
        case .begun(let upload):
            log.info("upload begun", metadata: facts(upload))
        case .finished(let upload):
            let seconds = upload.finished.map { $0 > upload.begun ? $0 - upload.begun : 0 } ?? 0
            log.info(
                "upload finished",
                metadata: facts(upload).merging(
                    [
                        "path": "\(upload.path ?? "")", "seconds": "\(seconds)",
                        "rate": "\((upload.size ?? 0) / max(seconds, 1))",
                    ], uniquingKeysWith: { $1 }))
        case .removed(let upload, let cause):
            let words =
                switch cause {
                case .expired: "upload expired"
                case .givenUp: "upload given up"
                case .superseded: "upload superseded"
                case .lost: "upload lost"
                }
            log.log(level: cause == .lost ? .error : .info, "\(words)", metadata: facts(upload))
        case .forgotten(let upload):
            log.debug("record expired", metadata: facts(upload))
        case .recovered(let upload, let lostRanges):
            log.notice(
                "upload recovered",
                metadata: facts(upload).merging(["lost": "\(lostRanges)"], uniquingKeysWith: { $1 }))
        case .notice(let text):
            log.notice("\(text)")
        }
    }

    private func facts(_ upload: UploadSummary) -> Logger.Metadata {
        [
            "name": "\(upload.id.filename)", "held": "\(upload.held)",
            "size": "\(upload.size.map(String.init) ?? "unknown")",
        ]
    }
}
