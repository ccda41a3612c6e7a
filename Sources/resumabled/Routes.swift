import HTTP
import Metrics
import UploadService

/// Routes requests: the few paths for operators to `OperationsEndpoints`, all others to the upload service, which also
/// answers for unknown paths. nginx decides who may reach the paths for operators: it passes them on from loopback
/// only.
struct Routes: RequestHandler {
    let uploads: UploadService
    let operations: OperationsEndpoints
    let metrics: ProgramMetrics

    func respond(
        to request: Request, body: inout some RequestBody, using buffer: UnsafeMutableRawBufferPointer
    ) -> Response {
        metrics.busy.add(1)
        defer { metrics.busy.add(-1) }
        return RequestName.with(request.requestID) {
            operations.answer(request) ?? uploads.respond(to: request, body: &body, using: buffer)
        }
    }
}
