import ArgumentParser
import Glibc
import HTTP
import JSON
import Logging
import Metrics
import UploadService
import UploadStore

/// The endpoints for operators and their tools: health, readiness, metrics, and the list of unfinished uploads. They
/// change nothing.
struct OperationsEndpoints: Sendable {
    let store: any ManagedStore
    let metrics: ProgramMetrics
    let threads: Int
    let log: Logger

    /// Answers a request for one of the endpoints; nil for any other path.
    func answer(_ request: Request) -> Response? {
        let answer: () -> Response
        switch request.path {
        case "/healthz": answer = { plain(200, "alive") }
        case "/readyz": answer = readiness
        case "/metrics": answer = scrape
        case "/resumable/status.json": answer = status
        default: return nil
        }
        guard request.method == .get || request.method == .head else {
            return plain(501, "This method is not supported; send GET")
        }
        return answer()
    }

    /// Tells whether the server could take an upload now.
    private func readiness() -> Response {
        var troubles: [String] = []
        do throws(StoreError) { try store.checkWritable() } catch {
            log.warning("not ready", metadata: ["cause": "\(error)"])
            let trouble =
                switch error {
                case .full: "there is too little free space"
                case .replaced: "the root is missing, or not the folder that was opened"
                case .failed(let cause): cause.summary ?? "the store cannot be written"
                default: "the store cannot be written"
                }
            troubles.append(trouble)
        }
        if troubles.isEmpty, let space = (try? store.space()).flatMap({ $0 }), !space.fitsOrdinaryFile {
            troubles.append("a file of \(space.ordinaryFile >> 20) MiB no longer fits")
        }
        // This request occupies a worker too. If there is only one, that says nothing.
        if threads > 1 && metrics.busy.value >= threads { troubles.append("all workers are busy") }
        guard troubles.isEmpty else { return plain(503, "not ready: " + troubles.joined(separator: "; ")) }
        return plain(200, "ready")
    }

    private func scrape() -> Response {
        let families = metrics.families(store, threads: threads, version: Resumabled.configuration.version)
        return response(200, Exposition.text(families), type: Exposition.mediaType)
    }

    /// Lists the unfinished uploads, for the status page.
    private func status() -> Response {
        do {
            var unreadable: UInt64 = 0
            let uploads = try store.uploadsUnderWay { _ in unreadable += 1 }
            let document = JSON.object([
                ("now", .number(UInt64(time(nil)))), ("free", .number(try store.space()?.free)),
                ("uploads", Status.json(uploads)), ("unreadable", .number(unreadable)),
            ])
            return response(200, document.description, type: "application/json")
        } catch {
            log.error("cannot list the uploads", metadata: ["cause": "\(error)"])
            return plain(503, "The store cannot be read")
        }
    }

    private func plain(_ status: Int, _ line: String) -> Response {
        response(status, line + "\n", type: "text/plain; charset=utf-8")
    }

    private func response(_ status: Int, _ body: String, type: String) -> Response {
        // Every answer of the program has an outcome, so that a client can tell it from one of a proxy's.
        let outcome: OutcomeName =
            switch status {
            case 200: .served
            case 501: .unsupported
            default: .retry
            }
        var headers: [Response.Header] = [
            .init("X-Upload-Outcome", outcome.rawValue), .init("Content-Type", type),
            .init("Cache-Control", "no-store"),
        ]
        if outcome == .retry { headers.append(.init("Retry-After", "10")) }
        return Response(status: status, headers: headers, body: Array(body.utf8))
    }
}
