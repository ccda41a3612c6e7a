import HTTP
import Metrics
import UploadService

/// Which request goes to whom: the operator's few paths to its desk, everything else to the uploads' service, which
/// also says that a path is unknown. Who may ask at the desk is nginx's matter: it passes these paths on from loopback
/// only.
struct Routes: RequestHandler {
    let uploads: UploadService
    let desk: OperationsEndpoints
    let metrics: ProgramMetrics

    func respond(
        to request: Request, body: inout some RequestBody, using buffer: UnsafeMutableRawBufferPointer
    ) -> Response {
        metrics.busy.add(1)
        defer { metrics.busy.add(-1) }
        return RequestName.with(request.requestID) {
            desk.answer(request) ?? uploads.respond(to: request, body: &body, using: buffer)
        }
    }
}
