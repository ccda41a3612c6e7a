import Glibc
import UploadStore

/// Delivers events to a site by HTTP. A 2xx status confirms the delivery.
struct WebhookReceiver: Receiver {
    let recipient = Recipients.url
    let site: WebhookEndpoint

    /// The status codes of a temporary failure of the site, as opposed to a refusal of this event.
    private static let temporary: Set<Int> = [408, 425, 429, 502, 503, 504]

    func deliver(_ event: OwedEvent, stop: StopFlag) -> Delivery {
        do {
            let answer = try site.post(CloudEvent(finished: event), now: UInt64(time(nil)), stop: stop)
            if (200..<300).contains(answer.status) { return .delivered }
            let words = answer.text.map { oneLine($0, atMost: 100) } ?? ""
            return .failed(
                .init(
                    reason: "answered \(answer.status)" + (words.isEmpty ? "" : ": \(words)"),
                    retryAfter: answer.retryAfter, isUnreachable: WebhookReceiver.temporary.contains(answer.status)))
        } catch {
            switch error {
            case .unreachable(let reason): return .failed(.init(reason: oneLine(reason), isUnreachable: true))
            case .stopped: return .failed(.init(reason: "broken off", isStopped: true))
            }
        }
    }
}
