import ArgumentParser
import Glibc
import HTTP
import JSON
import Logging
import Metrics
import UploadStore

/// What the program tells those who run it: whether it is well, what it has counted, what is under way. Nothing can be
/// changed here.
struct OperationsEndpoints: Sendable {
    let store: any ManagedStore
    let metrics: ProgramMetrics
    let threads: Int
    let log: Logger

    /// The answer to a request for one of the desk's paths; nil for all others.
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

    /// Whether an upload could be taken now.
    private func readiness() -> Response {
        var troubles: [String] = []
        do throws(StoreError) { try store.checkWritable() } catch {
            log.warning("not ready", metadata: ["cause": "\(error)"])
            troubles.append(error.fault == .full ? "free space is below the floor" : "the store cannot be written")
        }
        // This request holds a worker itself; where there is only one, that doesn't say anything.
        if threads > 1 && metrics.busy.value >= threads { troubles.append("all workers are busy") }
        guard troubles.isEmpty else { return plain(503, "not ready: " + troubles.joined(separator: "; ")) }
        return plain(200, "ready")
    }

    private func scrape() -> Response {
        let families = metrics.families(store, threads: threads, version: Resumabled.configuration.version)
        return response(200, Exposition.text(families), type: Exposition.mediaType)
    }

    /// The uploads under way, for the operator's page.
    private func status() -> Response {
        do {
            let uploads = try store.uploadsUnderWay()
            let document = JSON.object([
                ("now", .number(UInt64(time(nil)))), ("free", .number(try store.space()?.free)),
                ("uploads", Status.json(uploads)),
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
        Response(
            status: status, headers: [.init("Content-Type", type), .init("Cache-Control", "no-store")],
            body: Array(body.utf8))
    }
}
